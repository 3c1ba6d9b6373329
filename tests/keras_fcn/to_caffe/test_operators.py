"""Operators, operations of keras.ops, activations and numbers, each alone in a model."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from keras_fcn.caffe.errors import CaffeWarning, UnsupportedLayerError
from keras_fcn.to_caffe import to_caffe
from tests.keras_fcn.to_caffe.trips import assert_same, functional, round_trip

pytestmark = pytest.mark.filterwarnings("ignore:.*BVLC Caffe 1.0 lacks.*Swish")

L = keras.layers
MAP = (6, 5, 4)


def pooled(x):
    return L.GlobalAveragePooling2D(keepdims=True)(x)


ONE = {
    "x * 2": lambda x: x * 2.0,
    "2 * x": lambda x: 2.0 * x,
    "x / 255": lambda x: x / 255,
    "1 - x": lambda x: 1 - x,
    "1 / x": lambda x: 1.0 / (ops.square(x) + 1),
    "-x": lambda x: -x,
    "x ** 2": lambda x: x**2,
    "2 ** x": lambda x: 2.0**x,
    "per channel": lambda x: (x - np.array([1, 2, 3, 4.0])) * np.array([4, 3, 2, 1], "float32"),
    "per column": lambda x: x * np.arange(5.0).reshape(5, 1),
    "per element": lambda x: x + np.arange(120.0).reshape(6, 5, 4),
    "a tensor of one": lambda x: x * ops.ones((1, 1, 1, 4)) * 3.0,
    "relu": ops.relu,
    "relu with all": lambda x: keras.activations.relu(x, 0.1, 0.5, 0.2),
    "threshold": lambda x: L.ReLU(threshold=0.3)(x),
    "threshold and slope": lambda x: L.ReLU(1.0, 0.2, 0.3)(x),
    "slope and maximum": lambda x: L.ReLU(max_value=0.5, negative_slope=0.3)(x),
    "threshold and maximum": lambda x: L.ReLU(max_value=0.9, threshold=0.3)(x),
    "maximum 0": lambda x: L.ReLU(max_value=0.0)(x) + x,
    "at least": lambda x: ops.maximum(x, 0.2),
    "at most": lambda x: ops.minimum(x, 0.2),
    "clip": lambda x: ops.clip(x, -0.5, 0.7),
    "square root": lambda x: ops.sqrt(ops.abs(x)),
    "log1p": lambda x: ops.log1p(ops.abs(x)),
    "gelu by tanh": lambda x: ops.gelu(x, approximate=True),
    "mean of maps": lambda x: ops.mean(x, axis=(1, 2)),
    "maximum of maps": lambda x: ops.max(x, axis=(1, 2), keepdims=True),
    "mean of channels": lambda x: x * ops.mean(x, axis=-1, keepdims=True),
    "sum of channels": lambda x: ops.sum(x, axis=-1),
    "sum of maps": lambda x: ops.sum(x, axis=(1, 2)),
    "mean of all": lambda x: ops.mean(x, axis=(1, 2, 3), keepdims=True) * x,
    "split": lambda x: ops.split(x, 2, axis=-1),
    "split in reverse": lambda x: ops.split(x, [1, 3], axis=-1)[::-1],
    "channels": lambda x: x[..., 1:3],
    "rows and columns": lambda x: x[:, 1:-1, 2:, :3],
    "pad": lambda x: L.Conv2D(2, 3)(ops.pad(x, ((0, 0), (1, 0), (2, 1), (0, 0)))),
    "cast": lambda x: ops.stop_gradient(ops.cast(x, "float32")),
    "squeeze": lambda x: ops.squeeze(pooled(x), (1, 2)),
    "expand_dims": lambda x: ops.expand_dims(ops.expand_dims(ops.mean(x, (1, 2)), 1), 1) * x,
    "reshape": lambda x: L.Dense(3)(ops.reshape(x, (-1, 120))),
    "transpose": lambda x: ops.transpose(x, (0, 2, 1, 3)),
    "squeeze and excite": lambda x: L.multiply(
        [x, L.Dense(4, activation="sigmoid")(L.Dense(2, activation="swish")(pooled(x)))]
    ),
    "excite by a vector": lambda x: L.Multiply()([x, L.GlobalMaxPooling2D()(x)]),
    "excite by a row": lambda x: x * L.AveragePooling2D((6, 1))(x),
    "add pooled": lambda x: L.Add()([pooled(x), x]),
    "x - pooled": lambda x: x - pooled(x),
    "pooled - x": lambda x: pooled(x) - x,
    "spatial attention": lambda x: x * L.Conv2D(1, 3, padding="same", activation="sigmoid")(x),
    "map plus channel": lambda x: x + L.Conv2D(1, 1)(x),
    "both spread": lambda x: pooled(x) * L.Conv2D(1, 1)(x),
    "maximum spread": lambda x: L.Maximum()([x, pooled(x)]),
    "minimum spread": lambda x: ops.minimum(pooled(x), x),
    "average spread": lambda x: L.Average()([x, pooled(x), L.Conv2D(1, 1)(x)]),
    "divided by pooled": lambda x: x / (1 + ops.exp(pooled(x))),
}
TWO = {
    "a + b": lambda a, b: a + b,
    "a - b": lambda a, b: a - b,
    "a * b": lambda a, b: a * b,
    "a / b": lambda a, b: a / (ops.exp(b) + 1.0),
    "maximum": ops.maximum,
    "minimum": ops.minimum,
    "concatenate": lambda a, b: ops.concatenate([a, b], -1),
    "concatenate rows": lambda a, b: ops.concatenate([a, b], 1),
}
ACTIVATIONS = [
    *("relu", "relu6", "elu", "selu", "celu", "silu", "swish", "hard_sigmoid", "hard_silu"),
    *("hard_swish", "hard_tanh", "sigmoid", "log_sigmoid", "softplus", "softsign", "softmax"),
    *("tanh", "tanh_shrink", "exponential", "leaky_relu", "linear", "mish"),
]


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", ONE)
def test_of_one_tensor(name, tmp_path):
    model = functional(ONE[name], MAP)
    assert_same(model, round_trip(model, tmp_path))


@pytest.mark.parametrize("name", TWO)
def test_of_two_tensors(name, tmp_path):
    model = functional(TWO[name], MAP, MAP)
    assert_same(model, round_trip(model, tmp_path))


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name, tmp_path):
    model = functional(lambda x: L.Conv2D(3, 1, activation=name)(L.Activation(name)(x)), MAP)
    assert_same(model, round_trip(model, tmp_path))


@pytest.mark.parametrize("name", ["silu", "swish"])
def test_that_caffe_1_lacks_swish_is_told(name):
    with pytest.warns(CaffeWarning, match=r"lacks layers .*: Swish \(BVLC/caffe after 1.0\)"):
        to_caffe(functional(L.Activation(name), MAP))


def test_a_greatest_value_is_exact_for_small_and_large_numbers(tmp_path):
    """Neither relu(x) - relu(x - 6) nor 6 - relu(6 - x) is."""
    model = functional(lambda x: L.ReLU(6.0)(x), (2, 1, 1))
    again = round_trip(model, tmp_path)
    x = np.array([1e-6, 12345.678], np.float32).reshape(1, 2, 1, 1)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda x: ops.sin(x), r"'sin\w*' \(Sin\): keras.ops.sin has no equivalent"),
        (lambda x: ops.gelu(x, approximate=False), "the exact GELU"),
        (lambda x: x**x, "a power of two tensors"),
        (lambda x: x * ops.mean(x, (1, 2)), "tensors of 4 and 2 axes"),
        (lambda x: ops.max(x, -1), "maxima along height and width"),
        (lambda x: x[..., 0], "only ranges"),
        (lambda x: x[..., ::2], "a range with a step"),
    ],
)
def test_what_caffe_cannot_is_refused(function, why):
    with pytest.raises(UnsupportedLayerError, match=why):
        to_caffe(functional(function, MAP))
