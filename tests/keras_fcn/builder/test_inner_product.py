"""InnerProduct beyond the reference cases."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.caffe.layers.inner_product import InnerProduct as Params
from keras_fcn.layers import InnerProduct
from tests.golden import assert_close, to_caffe_order, to_channels_last
from tests.keras_fcn.layers.checks import (
    EXPORTS,
    assert_config_round_trip,
    gradients,
    model_of,
    normal,
    static,
)

SHAPE = (2, 3, 4, 5, 6)
AXES = [(rank, axis) for rank in range(1, 6) for axis in range(-rank, rank)]


def layer_for(shape, axis, units=7):
    inputs = int(np.prod(shape[axis % len(shape) :]))
    layer = InnerProduct(units, inputs, axis, bias_initializer="ones")
    layer.build((None,) * len(shape))
    layer.kernel.assign(normal(inputs, units, seed=3))
    return layer


@pytest.mark.sweep(4)
@pytest.mark.parametrize(("rank", "axis"), AXES)
@pytest.mark.parametrize("known", [True, False])
def test_every_axis(rank, axis, known):
    x = normal(*SHAPE[:rank])
    layer = layer_for(x.shape, axis)
    kernel = np.asarray(layer.kernel)
    rows = x.reshape(*x.shape[: axis % rank], len(kernel))
    assert Params(num_output=7, axis=axis).top_shapes((x.shape,), 1) == ((*rows.shape[:-1], 7),)
    assert Params(num_output=7, axis=axis).weight_shapes((x.shape,)) == (kernel.shape[::-1], (7,))
    shape = to_channels_last(x).shape
    function = static(layer, shape if known else (None,) * rank)
    assert_close(to_caffe_order(function(to_channels_last(x))), rows @ kernel + 1)
    top = normal(*rows.shape[:-1], 7, seed=1)
    by_input, by_kernel, by_bias = gradients(layer, x, top)
    assert_close(by_input, (top @ kernel.T).reshape(x.shape))
    assert_close(by_kernel, rows.reshape(-1, len(kernel)).T @ top.reshape(-1, 7))
    assert_close(by_bias, top.reshape(-1, 7).sum(0))


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("channels", [None, 3])
def test_layout_round_trip(transpose, channels):
    params = Params(num_output=4, transpose=transpose)
    blobs = [normal(12, 4) if transpose else normal(4, 12), normal(4, seed=1)]
    weights = params.keras_weights(blobs, channels)
    assert [weight.shape for weight in weights] == [(12, 4), (4,)]
    again = params.caffe_blobs([weight.array() for weight in weights], channels)
    for blob, expected in zip(again, blobs, strict=True):
        np.testing.assert_array_equal(blob, expected)


NET = """
layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ {} }} }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
         inner_product_param {{ num_output: 5 axis: {} weight_filler {{ type: "xavier" }} }} }}
"""


@pytest.mark.parametrize(
    ("dims", "axis", "kinds"),
    [
        ((2, 3, 4, 4), 1, ["Flatten", "Dense"]),
        ((2, 3), 1, ["Dense"]),
        ((2, 3), -1, ["Dense"]),
        ((2, 3, 4, 4), -3, ["InnerProduct"]),
        ((2, 3, 4, 4), 2, ["InnerProduct"]),
        ((2, 3), 0, ["InnerProduct"]),
    ],
)
def test_keras_own_layers_where_they_do(dims, axis, kinds, tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(NET.format(" ".join(f"dim: {size}" for size in dims), axis))
    model = keras_fcn.from_caffe(path)
    assert [type(layer).__name__ for layer in model.layers[1:]] == kinds
    assert model.layers[-1].name == "ip"


def test_one_axis_only_leaves_the_others_free(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(NET.format("dim: 2 dim: 3 dim: 4 dim: 6", 3))
    model = keras_fcn.from_caffe(path)
    assert model.input_shape[0] is None
    assert keras_fcn.blobs(model, normal(5, 3, 4, 6))["ip"].shape == (5, 3, 4, 5)


def test_arguments():
    layer = InnerProduct(3, 4, axis=2, use_bias=False, name="ip")
    assert_config_round_trip(layer)
    assert layer(normal(2, 4, 6)).shape == (2, 3, 6)
    assert [weight.name for weight in layer.weights] == ["kernel"]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    layer = InnerProduct(3, 20, axis=2, dtype=policy)
    function = static(layer, (None, 4, 5, 2))
    assert function.structured_outputs.dtype == keras.DTypePolicy(policy).compute_dtype
    assert {weight.dtype for weight in layer.weights} == {"float32"}


@EXPORTS
def test_exports(export, tmp_path):
    model = model_of(layer_for((2, 3, 4, 5), 2), (4, 5, 3))
    x = normal(6, 4, 5, 3)
    assert_close(export(model, tmp_path)(x), model(x))


def test_the_global_seed_is_that_of_fillers(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        'input: "data" input_shape { dim: 1 dim: 5 }\n'
        'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { '
        'num_output: 3 weight_filler { type: "xavier" } } }'
    )
    kernels = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        kernels.append(keras_fcn.from_caffe(path).get_weights()[0])
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert (kernels[0] != kernels[2]).all()
