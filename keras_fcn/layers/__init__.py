"""Keras layers that Caffe has and Keras lacks. All are channels-last: (N, H, W, C)."""

from keras_fcn.layers.batch_norm import BatchNorm
from keras_fcn.layers.elementwise import AbsVal, Clip, Exp, Log, Power, ReLU, Swish, Threshold
from keras_fcn.layers.eltwise import Eltwise
from keras_fcn.layers.grouped_conv2d import GroupedConv2D
from keras_fcn.layers.local_response_normalization import LocalResponseNormalization
from keras_fcn.layers.mvn import MVN
from keras_fcn.layers.parameter import Parameter
from keras_fcn.layers.pixelwise_softmax import PixelwiseSoftmax
from keras_fcn.layers.pooling import CaffeAveragePooling2D, CaffeMaxPooling2D
from keras_fcn.layers.prelu import PReLU
from keras_fcn.layers.scale import Bias, Scale

__all__ = [
    "MVN",
    "AbsVal",
    "BatchNorm",
    "Bias",
    "CaffeAveragePooling2D",
    "CaffeMaxPooling2D",
    "Clip",
    "Eltwise",
    "Exp",
    "GroupedConv2D",
    "LocalResponseNormalization",
    "Log",
    "PReLU",
    "Parameter",
    "PixelwiseSoftmax",
    "Power",
    "ReLU",
    "Scale",
    "Swish",
    "Threshold",
]
