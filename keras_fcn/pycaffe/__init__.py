"""Names of pycaffe on our engine, for scripts that were written for it."""

from keras_fcn import lazy

__all__, __getattr__, __dir__ = lazy.attach(__name__)
