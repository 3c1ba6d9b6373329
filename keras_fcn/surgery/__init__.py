"""Surgery on Keras models: casts, output strides, new heads."""

from keras_fcn.surgery.casting import to_fully_convolutional

__all__ = ["to_fully_convolutional"]
