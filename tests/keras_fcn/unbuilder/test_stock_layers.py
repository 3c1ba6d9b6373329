"""Keras' own layers -> parameters of Caffe's."""

from __future__ import annotations

import keras
import pytest

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers.activation import Dropout, PReLU, ReLU, Softmax
from keras_fcn.caffe.layers.bn import PSPNetBN
from keras_fcn.caffe.layers.concat import Concat
from keras_fcn.caffe.layers.convolution import Convolution
from keras_fcn.caffe.layers.deconvolution import Deconvolution
from keras_fcn.caffe.layers.elementwise import BNLL, ELU, SELU, Exp, Sigmoid, Swish, TanH
from keras_fcn.caffe.layers.eltwise import Eltwise
from keras_fcn.caffe.layers.inner_product import InnerProduct
from keras_fcn.caffe.layers.mobile import ReLU6
from keras_fcn.caffe.layers.normalization import BatchNorm
from keras_fcn.caffe.layers.pooling import Pooling
from keras_fcn.caffe.layers.reduction import Reduction
from keras_fcn.caffe.layers.shape import Flatten, Split
from keras_fcn.caffe.layers.spatial_dropout import SpatialDropout
from keras_fcn.caffe.layers.ssd import Permute
from keras_fcn.caffe.layers.upsample import NearestUpsample
from keras_fcn.layers._axes import channels_first_shape
from keras_fcn.unbuilder import unbuild

L = keras.layers
MAP, VECTOR = (6, 7, 8), (5,)


def conv(num_output, kernel, **settings):
    usual = {"stride": (1, 1), "pad": (0, 0), "dilation": (1, 1)} | settings
    return Convolution(num_output=num_output, kernel_size=kernel, **usual)


def deconv(**settings):
    return Deconvolution(**({"num_output": 3, "stride": (2, 2), "pad": (0, 0)} | settings))


def pool(kernel, **settings):
    return Pooling(kernel_size=kernel, round_mode="FLOOR", **settings)


ONE = [
    (L.Conv2D(3, (5, 3), strides=(2, 1)), MAP, conv(3, (5, 3), stride=(2, 1))),
    (L.Conv2D(3, 3, padding="same"), MAP, conv(3, (3, 3), pad=(1, 1))),
    (L.Conv2D(3, 2, dilation_rate=2, padding="same", use_bias=False), MAP,
     conv(3, (2, 2), pad=(1, 1), dilation=(2, 2), bias_term=False)),
    (L.Conv2D(4, 1, groups=2), MAP, conv(4, (1, 1), group=2)),
    (L.Conv2D(3, 3, padding="same", strides=2), MAP, None),
    (L.Conv2D(3, 2, padding="same"), MAP, None),
    (L.Conv1D(3, 3), (9, 4), conv(3, (3,), stride=(1,), pad=(0,), dilation=(1,))),
    (L.Conv1D(3, 3, padding="causal"), (9, 4), None),
    (L.Conv3D(3, 2), (4, 4, 4, 2),
     conv(3, (2,) * 3, stride=(1,) * 3, pad=(0,) * 3, dilation=(1,) * 3)),
    (L.DepthwiseConv2D(3, depth_multiplier=2), MAP, conv(16, (3, 3), group=8)),
    (L.SeparableConv2D(3, 3), MAP, None),
    (L.Conv2DTranspose(3, 4, strides=2), MAP, deconv(kernel_size=(4, 4))),
    (L.Conv2DTranspose(3, 4, strides=2, padding="same"), MAP,
     deconv(kernel_size=(4, 4), pad=(1, 1))),
    (L.Conv2DTranspose(3, 3, strides=2, padding="same"), MAP, None),
    (L.Conv2DTranspose(3, 1, strides=2), MAP, None),
    (L.Dense(3), VECTOR, InnerProduct(num_output=3)),
    (L.Dense(3, use_bias=False), MAP,
     Convolution(num_output=3, kernel_size=(1, 1), bias_term=False)),
    (L.ReLU(), MAP, ReLU()),
    (L.ReLU(negative_slope=0.1), MAP, ReLU(negative_slope=0.1)),
    (L.ReLU(max_value=5), MAP, ReLU6(n=5.0)),
    (L.ReLU(threshold=1), MAP, None),
    (L.LeakyReLU(0.3), MAP, ReLU(negative_slope=0.3)),
    (L.ELU(0.5), MAP, ELU(alpha=0.5)),
    (L.PReLU(shared_axes=[1, 2]), MAP, PReLU()),
    (L.PReLU(shared_axes=[1, 2, 3]), MAP, PReLU(channel_shared=True)),
    (L.PReLU(), VECTOR, PReLU()),
    (L.PReLU(), (1, 1, 4), PReLU()),
    (L.Softmax(), MAP, Softmax(axis=1)),
    (L.Softmax(axis=1), MAP, Softmax(axis=2)),
    (L.Activation("softmax"), MAP, Softmax(axis=1)),
    (L.Activation("sigmoid"), MAP, Sigmoid()),
    (L.Activation("tanh"), MAP, TanH()),
    (L.Activation("softplus"), MAP, BNLL()),
    (L.Activation("exponential"), MAP, Exp()),
    (L.Activation("silu"), MAP, Swish()),
    (L.Activation("selu"), MAP, SELU()),
    (L.Activation("leaky_relu"), MAP, ReLU(negative_slope=0.2)),
    (L.Activation("relu6"), MAP, ReLU6()),
    (L.Activation("linear"), MAP, Split()),
    (L.Activation("mish"), MAP, None),
    (L.Activation(lambda x: x + 1), MAP, None),
    (L.Dropout(0.3), MAP, Dropout(dropout_ratio=0.3)),
    (L.Dropout(0), MAP, Split()),
    (L.SpatialDropout2D(0.3), MAP, SpatialDropout(p=0.3, phase="TRAIN")),
    (L.Identity(), MAP, Split()),
    (L.GaussianNoise(0.3), MAP, None),
    (L.MaxPooling2D((2, 3), strides=2), MAP, pool((2, 3), stride=(2, 2))),
    (L.AveragePooling2D(2), MAP, pool((2, 2), stride=(2, 2), pool="AVE")),
    (L.MaxPooling2D(3, strides=1, padding="same"), MAP, pool((3, 3), pad=(1, 1))),
    (L.AveragePooling2D(3, strides=1, padding="same"), MAP,
     pool((3, 3), pad=(1, 1), pool="AVE_EXC_PAD")),
    (L.MaxPooling2D(3, strides=2, padding="same"), MAP, None),
    (L.GlobalAveragePooling2D(), MAP, Reduction(operation="MEAN", axis=2)),
    (L.GlobalAveragePooling2D(keepdims=True), MAP, Pooling(pool="AVE", global_pooling=True)),
    (L.GlobalMaxPooling2D(keepdims=True), MAP, Pooling(global_pooling=True)),
    (L.GlobalMaxPooling2D(), MAP, None),
    (L.BatchNormalization(momentum=0.8), MAP, PSPNetBN(momentum=0.8, eps=1e-3)),
    (L.BatchNormalization(axis=1, trainable=False), MAP,
     PSPNetBN(momentum=0.99, eps=1e-3, axis=2, frozen=True)),
    (L.BatchNormalization(scale=False, center=False), MAP,
     BatchNorm(moving_average_fraction=0.99, eps=1e-3)),
    (L.BatchNormalization(scale=False), MAP, None),
    (L.Flatten(), VECTOR, Flatten()),
    (L.Flatten(), MAP, None),
    (L.Reshape((7, 48)), MAP, None),
    (L.Permute((3, 1, 2)), MAP, Permute(order=(0, 3, 1, 2))),
    (L.ZeroPadding2D(1), MAP, None),
    (L.Cropping2D(1), MAP, None),
    (L.UpSampling2D(2), MAP, NearestUpsample(scale=2)),
    (L.UpSampling2D((2, 3)), MAP, None),
    (L.UpSampling2D(2, interpolation="bilinear"), MAP, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [pytest.param(*case, id=f"{index}-{case[0].name}") for index, case in enumerate(ONE)],
)
def test_a_layer_of_one_input(layer, shape, expected):
    """Its parameters also give the shape that Keras gives."""
    y = layer(keras.Input(shape))
    params = unbuild(layer)
    assert params == expected
    if params is not None:
        (top,) = params.top_shapes((channels_first_shape((2, *shape)),), 1)[:1]
        assert top[1:] == channels_first_shape(y.shape)[1:]


@pytest.mark.parametrize(
    ("layer", "shapes", "expected"),
    [
        (L.Add(), (MAP, MAP, MAP), Eltwise()),
        (L.Add(), (MAP, (1, 1, 8)), None),
        (L.Add(), (MAP,), Split()),
        (L.Average(), (MAP, MAP), Eltwise(coeff=(0.5, 0.5))),
        (L.Subtract(), (MAP, MAP), Eltwise(coeff=(1.0, -1.0))),
        (L.Multiply(), (MAP, MAP), Eltwise(operation="PROD")),
        (L.Maximum(), (MAP, MAP), Eltwise(operation="MAX")),
        (L.Minimum(), (MAP, MAP), None),
        (L.Concatenate(), (MAP, (6, 7, 2)), Concat(axis=1)),
        (L.Concatenate(axis=1), (MAP, (1, 7, 8)), Concat(axis=2)),
        (L.Concatenate(), (VECTOR, VECTOR), Concat(axis=1)),
    ],
)
def test_a_layer_of_several_inputs(layer, shapes, expected):
    layer([keras.Input(shape) for shape in shapes])
    assert unbuild(layer) == expected


@pytest.mark.parametrize(
    ("layer", "shape", "said"),
    [
        (L.PReLU(), MAP, "shared_axes: None has no equivalent"),
        (L.Softmax(axis=(1, 2)), MAP, "axis: .1, 2.: Caffe's Softmax has one axis"),
        (
            L.Conv2DTranspose(3, 3, output_padding=1, strides=2),
            MAP,
            "output_padding: .1, 1. has no",
        ),
        (L.BatchNormalization(axis=2), MAP, "axis: 2: Caffe's BN has the axes 1 and 2"),
    ],
)
def test_a_setting_without_an_equivalent_is_refused(layer, shape, said):
    layer(keras.Input(shape))
    with pytest.raises(UnsupportedLayerError, match=f"layer '{layer.name}' .*{said}"):
        unbuild(layer)
