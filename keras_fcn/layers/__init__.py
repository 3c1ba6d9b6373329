"""Keras layers that Caffe has and Keras lacks. All are channels-last: (N, H, W, C)."""

from keras_fcn.layers.grouped_conv2d import GroupedConv2D
from keras_fcn.layers.local_response_normalization import LocalResponseNormalization
from keras_fcn.layers.pixelwise_softmax import PixelwiseSoftmax
from keras_fcn.layers.pooling import CaffeAveragePooling2D, CaffeMaxPooling2D

__all__ = [
    "CaffeAveragePooling2D",
    "CaffeMaxPooling2D",
    "GroupedConv2D",
    "LocalResponseNormalization",
    "PixelwiseSoftmax",
]
