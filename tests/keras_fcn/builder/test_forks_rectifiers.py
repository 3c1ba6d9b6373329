"""SeLu, Insanity, GRN, Flip, Reverse and Transpose against numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

import convert
import keras_fcn
from keras_fcn.caffe.errors import CaffeError
from tests.golden import assert_close
from tests.keras_fcn.builder.forks import assert_gradient, assert_survives, built


def normal(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def selu(x, scale, alpha):
    out = np.empty_like(x)
    for place in np.ndindex(x.shape):
        value = x[place]
        out[place] = scale * value if value > 0 else scale * alpha * (math.exp(value) - 1)
    return out


@pytest.mark.sweep(3)
@pytest.mark.parametrize("kind", ["SeLu", "SeLU", "SELU", "Selu"])
@pytest.mark.parametrize(
    ("fields", "scale", "alpha"),
    [
        ("", 1.050700987, 1.67326324),
        ("selu_param { lambda: 2.5 }", 2.5, 1.67326324),
        ("selu_param { alpha: 0.5 lambda: 0.75 }", 0.75, 0.5),
    ],
)
def test_selu(kind, fields, scale, alpha, tmp_path):
    fed = {"x": 3 * normal(2, 3, 4, 5)}
    model = built(tmp_path, f'type: "{kind}" {fields}', x=(2, 3, 4, 5))
    assert_close(keras_fcn.blobs(model, fed)["y"], selu(fed["x"], scale, alpha))
    assert_gradient(model, lambda x: selu(x, scale, alpha), fed, ["x"])
    assert_survives(model, fed, tmp_path)


def test_selu_at_zero_and_far_out(tmp_path):
    """The gradient at 0 is that from below; a large element does not spoil it."""
    model = built(tmp_path, 'type: "SeLu"', x=(1, 3))
    x = tf.constant([[0.0, 1e4, -1e4]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        top = model(x)
    np.testing.assert_allclose(top, [[0, 10507.00987, -1.050700987 * 1.67326324]], rtol=1e-6)
    wanted = [[1.050700987 * 1.67326324, 1.050700987, 0]]
    np.testing.assert_allclose(tape.gradient(top, x), wanted, rtol=1e-6)


def leaky(x, divisor):
    out = np.empty_like(x)
    for place in np.ndindex(x.shape):
        out[place] = max(x[place], 0) + min(x[place], 0) / divisor
    return out


@pytest.mark.parametrize(
    ("fields", "lower", "upper"),
    [("", 5, 10), ("insanity_param { lb: 3 ub: 8 }", 3, 8), ("insanity_param { ub: 6 }", 5, 6)],
)
def test_insanity(fields, lower, upper, tmp_path):
    fed = {"x": normal(2, 3, 4, 5)}
    model = built(tmp_path, f'type: "Insanity" {fields}', x=(2, 3, 4, 5))
    divisor = (upper - lower) / (math.log(upper) - math.log(lower))
    assert_close(keras_fcn.blobs(model, fed)["y"], leaky(fed["x"], divisor))
    assert_gradient(model, lambda x: leaky(x, divisor), fed, ["x"])
    assert_survives(model, fed, tmp_path)


def test_insanity_draws_while_training(tmp_path):
    model = built(tmp_path, 'type: "Insanity"', x=(1, 4, 30, 30))
    x = tf.constant(np.linspace(-1, 1, 3600, dtype="float32").reshape(1, 30, 30, 4))
    with tf.GradientTape() as tape:
        tape.watch(x)
        top = model(x, training=True)
    gradient = tape.gradient(top, x).numpy()
    below = x.numpy() < 0
    divisors = x.numpy()[below] / top.numpy()[below]
    assert 5 <= divisors.min() < 5.2
    assert 9.8 < divisors.max() <= 10.001
    assert abs(divisors.mean() - 7.5) < 0.15
    np.testing.assert_allclose(gradient[below], 1 / divisors, rtol=1e-4)
    np.testing.assert_array_equal(top.numpy()[~below], x.numpy()[~below])
    assert not np.array_equal(model(x, training=True), top)


@pytest.mark.parametrize("bounds", ["lb: 10", "lb: 0", "lb: -5 ub: 0", "lb: -3 ub: 3"])
def test_wrong_insanity(bounds, tmp_path):
    with pytest.raises(CaffeError, match=r"lb: .* must be below ub: "):
        built(tmp_path, f'type: "Insanity" insanity_param {{ {bounds} }}', x=(1, 3))


def grn(x, bias):
    out = np.empty_like(x)
    for image, *place in np.ndindex(x.shape[0], *x.shape[2:]):
        vector = x[(image, slice(None), *place)]
        out[(image, slice(None), *place)] = vector / math.sqrt((vector**2).sum() + bias)
    return out


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (3, 6), (2, 5, 4)])
@pytest.mark.parametrize(("fields", "bias"), [("", 1e-7), ("grn_param { bias: 0.5 }", 0.5)])
def test_grn(fields, bias, shape, tmp_path):
    fed = {"x": normal(*shape)}
    model = built(tmp_path, f'type: "GRN" {fields}', x=shape)
    assert_close(keras_fcn.blobs(model, fed)["y"], grn(fed["x"], bias))
    assert_gradient(model, lambda x: grn(x, bias), fed, ["x"])
    assert_survives(model, fed, tmp_path)


def test_grn_with_a_dummy_gradient(tmp_path):
    fed = {"x": normal(1, 3, 2, 2)}
    model = built(tmp_path, 'type: "GRN" grn_param { dummy_backward: true }', x=(1, 3, 2, 2))
    assert_close(keras_fcn.blobs(model, fed)["y"], grn(fed["x"], 1e-7))
    assert_gradient(model, lambda x: x, fed, ["x"])


def test_wrong_grn(tmp_path):
    with pytest.raises(CaffeError, match=r"bias: -1\.0 must not be negative"):
        built(tmp_path, 'type: "GRN" grn_param { bias: -1 }', x=(1, 3))


def turned(x, axes):
    out = np.empty_like(x)
    for place in np.ndindex(x.shape):
        there = tuple(
            size - 1 - at if axis in axes else at
            for axis, (at, size) in enumerate(zip(place, x.shape, strict=True))
        )
        out[there] = x[place]
    return out


FLIPS = {
    "": (3,),
    "flip_param { flip_height: true }": (2, 3),
    "flip_param { flip_width: false flip_height: true }": (2,),
    "flip_param { flip_width: false }": (),
    "flip_param { axis: 1 }": (1,),
    "flip_param { axis: 0 }": (0,),
}
REVERSES = {
    "": (0,),
    "reverse_param { axis: 1 }": (1,),
    "reverse_param { axis: 2 axis: 0 }": (0, 2),
    "reverse_param { axis: -1 }": (3,),
}


@pytest.mark.sweep(3)
@pytest.mark.parametrize(
    ("kind", "fields", "axes"),
    [
        *(("Flip", fields, axes) for fields, axes in FLIPS.items()),
        *(("Reverse", fields, axes) for fields, axes in REVERSES.items()),
    ],
)
def test_turned_axes(kind, fields, axes, tmp_path):
    fed = {"x": normal(2, 3, 4, 5)}
    model = built(tmp_path, f'type: "{kind}" {fields}', x=(2, 3, 4, 5))
    np.testing.assert_array_equal(keras_fcn.blobs(model, fed)["y"], turned(fed["x"], axes))
    assert_gradient(model, lambda x: turned(x, axes), fed, ["x"])
    assert_survives(model, fed, tmp_path)


@pytest.mark.parametrize(("kind", "axes"), [("Flip", ()), ("Reverse", (0,))])
def test_turned_axes_of_a_matrix(kind, axes, tmp_path):
    fed = {"x": normal(4, 3)}
    model = built(tmp_path, f'type: "{kind}"', x=(4, 3))
    np.testing.assert_array_equal(keras_fcn.blobs(model, fed)["y"], turned(fed["x"], axes))


@pytest.mark.parametrize("order", [(3, 2, 0, 1), (2, 3, 1, 0), (0, 1, 2, 3), (1, 0, 3, 2)])
def test_transpose(order, tmp_path):
    fed = {"x": normal(2, 3, 4, 5)}
    dims = " ".join(f"dim: {axis}" for axis in order)
    model = built(tmp_path, f'type: "Transpose" transpose_param {{ {dims} }}', x=(2, 3, 4, 5))
    wanted = fed["x"].transpose(order)
    np.testing.assert_array_equal(keras_fcn.blobs(model, fed)["y"], wanted)
    assert convert.load_network(tmp_path / "net.prototxt").outputs[0].shape == wanted.shape
    assert_gradient(model, lambda x: x.transpose(order), fed, ["x"])
    assert_survives(model, fed, tmp_path)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ('type: "Flip" flip_param { axis: 1 flip_width: true }', "give either an axis, or"),
        ('type: "Flip" flip_param { axis: 4 }', "axis: 4 is outside a blob with 4 axes"),
        ('type: "Reverse" reverse_param { axis: 4 }', "axis: 4 is outside a blob with 4 axes"),
        ('type: "Reverse" reverse_param { axis: 3 axis: -1 }', "names an axis twice"),
        ('type: "Transpose"', r"dim: \(\) must name each of the bottom's 4 axes once"),
        ('type: "Transpose" transpose_param { dim: [0, 1, 2, 2] }', "each of the bottom's 4"),
        ('type: "Flip" top: "x"', "this type cannot work in place"),
        ('type: "Reverse" top: "x"', "this type cannot work in place"),
        (
            'type: "Transpose" top: "x" transpose_param { dim: [0, 1, 2, 3] }',
            "this type cannot work in place",
        ),
    ],
)
def test_wrong_axes(layer, message, tmp_path):
    with pytest.raises(CaffeError, match=message):
        built(tmp_path, layer, x=(2, 3, 4, 5))
