"""Keras layers that Caffe has and Keras lacks. All are channels-last: (N, H, W, C)."""

from keras_fcn.layers.accuracy import Accuracy
from keras_fcn.layers.argmax import ArgMax
from keras_fcn.layers.batch_norm import BatchNorm
from keras_fcn.layers.concat import Slice, Tile
from keras_fcn.layers.convolution import Convolution
from keras_fcn.layers.crop import Crop
from keras_fcn.layers.deconvolution import Deconvolution
from keras_fcn.layers.dummy_data import DummyData
from keras_fcn.layers.elementwise import AbsVal, Clip, Exp, Log, Power, ReLU, Swish, Threshold
from keras_fcn.layers.eltwise import Eltwise
from keras_fcn.layers.grouped_conv2d import LARGE_KERNEL, GroupedConv2D
from keras_fcn.layers.im2col import Im2col
from keras_fcn.layers.inner_product import InnerProduct
from keras_fcn.layers.local_response_normalization import LocalResponseNormalization
from keras_fcn.layers.losses import (
    ContrastiveLoss,
    EuclideanLoss,
    HingeLoss,
    SigmoidCrossEntropyLoss,
)
from keras_fcn.layers.lstm_unit import LSTMUnit
from keras_fcn.layers.mvn import MVN
from keras_fcn.layers.parameter import Parameter
from keras_fcn.layers.pixelwise_softmax import PixelwiseSoftmax
from keras_fcn.layers.pooling import CaffeAveragePooling2D, CaffeMaxPooling2D
from keras_fcn.layers.prelu import PReLU
from keras_fcn.layers.recurrent import LSTM, RNN
from keras_fcn.layers.reduction import Reduction
from keras_fcn.layers.reshape import CaffeReshape
from keras_fcn.layers.scale import Bias, Scale
from keras_fcn.layers.selection import BatchReindex, Embed, Filter
from keras_fcn.layers.softmax_loss import InfogainLoss, MultinomialLogisticLoss, SoftmaxWithLoss
from keras_fcn.layers.spp import SPP
from keras_fcn.layers.stochastic_pooling import CaffeStochasticPooling2D

__all__ = [
    "LARGE_KERNEL",
    "LSTM",
    "MVN",
    "RNN",
    "SPP",
    "AbsVal",
    "Accuracy",
    "ArgMax",
    "BatchNorm",
    "BatchReindex",
    "Bias",
    "CaffeAveragePooling2D",
    "CaffeMaxPooling2D",
    "CaffeReshape",
    "CaffeStochasticPooling2D",
    "Clip",
    "ContrastiveLoss",
    "Convolution",
    "Crop",
    "Deconvolution",
    "DummyData",
    "Eltwise",
    "Embed",
    "EuclideanLoss",
    "Exp",
    "Filter",
    "GroupedConv2D",
    "HingeLoss",
    "Im2col",
    "InfogainLoss",
    "InnerProduct",
    "LSTMUnit",
    "LocalResponseNormalization",
    "Log",
    "MultinomialLogisticLoss",
    "PReLU",
    "Parameter",
    "PixelwiseSoftmax",
    "Power",
    "ReLU",
    "Reduction",
    "Scale",
    "SigmoidCrossEntropyLoss",
    "Slice",
    "SoftmaxWithLoss",
    "Swish",
    "Threshold",
    "Tile",
]
