"""Training from Caffe's own files: solver.prototxt, train_val.prototxt, databases, snapshots."""

from keras_fcn import lazy

__all__, __getattr__, __dir__ = lazy.attach(__name__)
