"""Functions of elements, Eltwise and MVN beyond the reference cases."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import convert
import keras_fcn
from keras_fcn import layers
from keras_fcn.caffe.layers import elementwise as functions
from keras_fcn.caffe.layers import normalization
from keras_fcn.caffe.layers.activation import PReLU as PReLUParams
from keras_fcn.caffe.layers.eltwise import Eltwise as EltwiseParams
from tests.golden import assert_close, to_caffe_order, to_channels_last
from tests.keras_fcn.layers.checks import (
    EXPORTS,
    assert_config_round_trip,
    dynamic,
    gradients,
    model_of,
    normal,
    static,
)

X = np.array([-np.inf, -2, -0.5, -0.0, 0.25, 1, 3, np.inf], "float32")
E = math.e

# Layer, its function in numpy, and the gradient Caffe computes from bottom x and top y.
FUNCTIONS = [
    (layers.AbsVal(), np.abs, lambda x, y: np.sign(x)),
    (layers.Clip(-0.5, 1), lambda x: np.clip(x, -0.5, 1), lambda x, y: (x >= -0.5) & (x <= 1)),
    (layers.Clip(1, -1), lambda x: np.full_like(x, 1), lambda x, y: 0 * y),
    (layers.Exp(), np.exp, lambda x, y: y),
    (layers.Exp(2, 0.5, -1), lambda x: 2 ** (0.5 * x - 1), lambda x, y: 0.5 * math.log(2) * y),
    (layers.Exp(-1, 1, 2), lambda x: E ** (x + 2), lambda x, y: y),
    (
        layers.Log(10, 2, 5),
        lambda x: np.log10(2 * x + 5),
        lambda x, y: 2 / (2 * x + 5) / np.log(10),
    ),
    (layers.Power(3, 2, 1), lambda x: (2 * x + 1) ** 3, lambda x, y: 6 * (2 * x + 1) ** 2),
    (layers.Power(2, -1, 1), lambda x: (1 - x) ** 2, lambda x, y: -2 * (1 - x)),
    (layers.Power(1, 3, 1), lambda x: 3 * x + 1, lambda x, y: np.full_like(x, 3)),
    (
        layers.ReLU(-0.5),
        lambda x: np.where(x > 0, x, -0.5 * x),
        lambda x, y: np.where(x > 0, 1, -0.5),
    ),
    (layers.ReLU(2), lambda x: np.where(x > 0, x, 2 * x), lambda x, y: np.where(x > 0, 1, 2)),
    (layers.PReLU(), lambda x: np.where(x > 0, x, x / 4), lambda x, y: np.where(x > 0, 1, 0.25)),
]


def named(layer):
    numbers = [
        str(value) for value in layer.get_config().values() if isinstance(value, int | float)
    ]
    return "-".join([type(layer).__name__, *numbers[1:]])  # the first is ``trainable``


LAYERS = pytest.mark.parametrize(
    ("layer", "forward", "backward"), [pytest.param(*row, id=named(row[0])) for row in FUNCTIONS]
)


@LAYERS
def test_values_and_gradients(layer, forward, backward):
    x = X[np.isfinite(X)].reshape(2, 3)
    expected = forward(x)
    assert_close(layer(x), expected)
    gradient = gradients(layer, x, np.ones_like(x))[0]
    assert_close(gradient, backward(x, expected))


@LAYERS
def test_any_size_config_and_precision(layer, forward, backward):
    assert_config_round_trip(layer)
    again = type(layer).from_config({**layer.get_config(), "dtype": "mixed_float16"})
    assert dynamic(again, 3).structured_outputs.shape.as_list() == [None, None, None, 3]
    assert dynamic(again, 3).structured_outputs.dtype == "float16"


@pytest.mark.parametrize("rank", [0, 1])
def test_few_axes(rank):
    for layer in (layers.AbsVal(), layers.Exp(), layers.Power(0), layers.Threshold()):
        assert layer(np.float32(2) if rank == 0 else X).shape == (8,) * rank


@pytest.mark.parametrize(
    ("power", "scale", "shift", "value"),
    [(0, 2, 5, 1), (0, 0, 0, 1), (3, 0, -2, -8), (0.5, 0, -2, np.nan), (-1, 0, 0, np.inf)],
)
def test_power_that_ignores_its_input(power, scale, shift, value):
    x = np.array([np.nan, -1, 0, np.inf], "float32")
    assert_close(layers.Power(power, scale, shift)(x), np.full(4, value))


def test_threshold_gives_no_gradient_and_nothing_for_nan():
    layer = layers.Threshold(0.25)
    assert_close(layer(np.append(X, np.nan).astype("float32")), [0, 0, 0, 0, 0, 1, 1, 1, 0])
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    assert tape.gradient(y, x) is None


def test_swish_against_its_definition():
    x = X[np.isfinite(X)].astype("float64")
    assert_close(layers.Swish(1.7)(x.astype("float32")), x / (1 + np.exp(-1.7 * x)))


@pytest.mark.parametrize("base", [0, -2, -0.5])
@pytest.mark.parametrize("kind", [functions.Exp, functions.Log])
def test_refuses_a_base_without_powers(kind, base):
    with pytest.raises(convert.CaffeError, match=f"base: {base} must be positive"):
        kind(base=base)


def test_refuses_a_base_without_logarithms():
    functions.Exp(base=1)
    with pytest.raises(convert.CaffeError, match="base: 1 has no logarithms"):
        functions.Log(base=1)


@pytest.mark.parametrize("shared", [False, True])
def test_prelu_layout(shared):
    params = PReLUParams(channel_shared=shared)
    (shape,) = params.weight_shapes(((2, 3, 4, 5),))
    assert shape == (() if shared else (3,))
    blob = normal(*shape)
    (weight,) = params.keras_weights([blob], None)
    layer = layers.PReLU(channel_shared=shared)
    layer.build((None, None, None, 3))
    layer.set_weights([weight.array()])
    np.testing.assert_array_equal(params.caffe_blobs(layer.get_weights(), None)[0], blob)


# Eltwise

INPUTS = """
layer { name: "in" type: "Input" top: "a" top: "b" input_param { shape { dim: 2 dim: 3 } } }
"""


def test_of_equal_values_the_second_bottom_is_the_maximum():
    a, b, c = (np.array(row, "float32") for row in ([1, 1, 1, 2], [1, 0, 1, 0], [1, 1, 2, 2]))
    tensors = [tf.constant(row) for row in (a, b, c)]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        y = layers.Eltwise("max")(tensors)
    assert_close(y, [1, 1, 2, 2])
    expected = [0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 1, 0]
    for gradient, row in zip(tape.gradient(y, tensors), expected, strict=True):
        assert_close(gradient, row)


def test_nan_loses_where_caffes_comparison_is_false():
    nan, one = np.full(1, np.nan, "float32"), np.ones(1, "float32")
    assert_close(layers.Eltwise("max")([nan, one]), [1])
    assert_close(layers.Eltwise("max")([one, nan]), [np.nan])
    assert_close(layers.Eltwise("max")([one, one, nan]), [1])


def test_terms_of_coefficient_zero_do_not_count():
    layer = layers.Eltwise("sum", coeff=(0, 2, -1))
    bad, x, y = np.full(3, np.inf, "float32"), normal(3), normal(3, seed=1)
    assert_close(layer([bad, x, y]), 2 * x - y)
    assert_close(layers.Eltwise("sum", coeff=(0, 0))([bad, x]), np.zeros(3))


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ("", keras.layers.Add),
        ("eltwise_param { operation: PROD stable_prod_grad: false }", keras.layers.Multiply),
        ("eltwise_param { coeff: 1 coeff: -1 }", layers.Eltwise),
        ("eltwise_param { operation: MAX }", layers.Eltwise),
    ],
)
def test_keras_own_layers_serve_where_they_do_the_same(tmp_path, settings, kind):
    path = tmp_path / "net.prototxt"
    path.write_text(
        INPUTS
        + f'layer {{ name: "e" type: "Eltwise" bottom: "a" bottom: "b" top: "e" {settings} }}'
    )
    model = keras_fcn.from_caffe(path)
    assert type(model.get_layer("e")) is kind


def test_sum_in_place_with_coefficients(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        INPUTS + 'layer { name: "e" type: "Eltwise" bottom: "a" bottom: "b" top: "a" '
        "eltwise_param { coeff: 5 coeff: -2 } }"
    )
    a, b = normal(2, 3), normal(2, 3, seed=1)
    assert_close(keras_fcn.blobs(keras_fcn.from_caffe(path), {"a": a, "b": b})["a"], -2 * b)


def test_eltwise_arguments():
    assert_config_round_trip(layers.Eltwise("sum", coeff=[1, 2]))
    assert layers.Eltwise("max").compute_output_shape([(None, 3), (None, 3)]) == (None, 3)
    with pytest.raises(ValueError, match=r"operation must be .*'div'"):
        layers.Eltwise("div")
    with pytest.raises(ValueError, match=r"coeff must have .*\(1, 2\) for 3 inputs"):
        layers.Eltwise("sum", coeff=(1, 2))([X, X, X])


def test_eltwise_shape_keeps_every_known_size():
    params = EltwiseParams()
    assert params.top_shapes(((None, 3, None), (2, None, None)), 1) == ((2, 3, None),)
    assert params.top_shapes(((), ()), 1) == ((),)
    with pytest.raises(convert.CaffeError, match=r"\(2, 3\), \(2, 3, 1\)"):
        params.top_shapes(((2, 3), (2, 3, 1)), 1)


# MVN


def caffe_mvn(x, top, *, across, eps):
    """mvn_layer.cpp over (N, C, H, W) with variance: the top, and the bottom's gradient."""
    axes = (1, 2, 3) if across else (2, 3)
    x, top = x.astype("float64"), top.astype("float64")
    deviation = np.sqrt(x.var(axes, keepdims=True)) + eps
    y = (x - x.mean(axes, keepdims=True)) / deviation
    means = top.mean(axes, keepdims=True) + y * (y * top).mean(axes, keepdims=True)
    return y, (top - means) / deviation


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("eps", [1e-9, 0.5])
def test_mvn_gradient_is_caffes_also_with_a_large_eps(across, eps):
    x, top = normal(2, 3, 4, 5), normal(2, 3, 4, 5, seed=1)
    layer = layers.MVN(across_channels=across, eps=eps)
    y, gradient = caffe_mvn(x, top, across=across, eps=eps)
    assert_close(to_caffe_order(layer(to_channels_last(x))), y)
    assert_close(gradients(layer, x, top)[0], gradient)


def test_mvn_of_constant_maps_has_a_finite_gradient():
    x, top = np.full((1, 2, 3, 3), 7, "float32"), normal(1, 2, 3, 3)
    layer = layers.MVN(eps=0.01)
    assert_close(layer(to_channels_last(x)), np.zeros((1, 3, 3, 2)))
    assert_close(gradients(layer, x, top)[0], caffe_mvn(x, top, across=False, eps=0.01)[1])


@pytest.mark.parametrize("shape", [(4,), (4, 3), (4, 5, 3), (4, 5, 6, 3)])
@pytest.mark.parametrize("across", [False, True])
def test_mvn_gives_four_axes(shape, across):
    x = normal(*shape)
    layer = layers.MVN(across_channels=across)
    y = to_caffe_order(layer(x))
    (expected,) = normalization.MVN().top_shapes((to_caffe_order(x).shape,), 1)
    assert y.shape == expected
    (unknown,) = normalization.MVN().top_shapes(((None,) * x.ndim,), 1)
    assert len(unknown) == 4
    shape = layer.compute_output_shape((None, *shape[1:]))
    assert shape == (None, *to_channels_last(y).shape[1:])
    assert_close(y, caffe_mvn(to_caffe_order(x).reshape(expected), y, across=across, eps=1e-9)[0])


def test_mvn_any_size_config_and_precision():
    layer = layers.MVN(normalize_variance=False, eps=0.1, dtype="mixed_float16")
    assert_config_round_trip(layer)
    assert dynamic(layer, 3).structured_outputs.shape.as_list() == [None, None, None, 3]
    assert static(layer, (None, 3)).structured_outputs.shape.as_list() == [None, 1, 1, 3]
    x = (normal(2, 8, 8, 3) + 1000).astype("float16")
    assert_close(np.asarray(layer(x)), x - x.astype("float32").mean((1, 2), keepdims=True), 1e-2)


@EXPORTS
@pytest.mark.parametrize(
    "layer",
    [layers.MVN(), layers.PReLU(), layers.Swish(2), layers.Power(3, 2, 1), layers.ReLU(-1)],
    ids=lambda layer: type(layer).__name__,
)
def test_exports(export, layer, tmp_path):
    layer = type(layer).from_config(layer.get_config())
    model = model_of(layer, (None, None, 3))
    x = normal(2, 4, 5, 3)
    assert_close(export(model, tmp_path)(x), model(x))
