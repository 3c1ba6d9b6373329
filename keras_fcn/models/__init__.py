"""Ready-made networks, one file an architecture, in keras.applications style."""

from keras_fcn import lazy

__all__, __getattr__, __dir__ = lazy.attach(__name__)
