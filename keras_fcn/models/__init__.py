"""Ready-made networks, one file an architecture, in keras.applications style."""

from keras_fcn.lazy import lazy

__all__, __getattr__, __dir__ = lazy(__name__)
