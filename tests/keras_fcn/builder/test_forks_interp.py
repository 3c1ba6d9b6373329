"""Interp against its definition in the DeepLab Caffe, ``util/interp.cpp``."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_fcn
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.layers import Interp
from tests.golden import assert_close, to_caffe_order, to_channels_last
from tests.keras_fcn.builder.texts import build, data, numeric_gradient
from tests.keras_fcn.layers.checks import (
    EXPORTS,
    assert_config_round_trip,
    gradients,
    model_of,
    normal,
    reloaded,
)

LAYER = """layer {{ name: "interp" type: "Interp" bottom: "data" {more} top: "interp"
  interp_param {{ {fields} }} }}"""


def interp(x, height, width, begin=0, end=0):
    """Pixel by pixel, as interp.cpp goes."""
    x = x[:, :, -begin : x.shape[2] + end, -begin : x.shape[3] + end]
    rows, columns = x.shape[2:]
    down = np.float32((rows - 1) / (height - 1)) if height > 1 else 0
    right = np.float32((columns - 1) / (width - 1)) if width > 1 else 0
    out = np.zeros((*x.shape[:2], height, width))
    for i, j in np.ndindex(height, width):
        r, c = int(down * i), int(right * j)
        below, beside = min(r + 1, rows - 1), min(c + 1, columns - 1)
        v, h = down * i - r, right * j - c
        top = (1 - h) * x[:, :, r, c] + h * x[:, :, r, beside]
        bottom = (1 - h) * x[:, :, below, c] + h * x[:, :, below, beside]
        out[:, :, i, j] = (1 - v) * top + v * bottom
    return out


RULES = {
    "height: 9 width: 4": (9, 4),
    "height: 1 width: 1": (1, 1),
    "height: 5 width: 7": (5, 7),
    "zoom_factor: 3": (13, 19),
    "zoom_factor: 1": (5, 7),
    "shrink_factor: 2": (3, 4),
    "shrink_factor: 9": (1, 1),
    "shrink_factor: 2 zoom_factor: 4": (9, 13),
    # One factor alone counts before height and width, both only after them.
    "zoom_factor: 2 height: 4 width: 4": (9, 13),
    "shrink_factor: 3 height: 4 width: 4": (2, 3),
    "shrink_factor: 3 zoom_factor: 2 height: 4 width: 6": (4, 6),
}
PADS = {"": (0, 0), "pad_beg: -1": (-1, 0), "pad_beg: -1 pad_end: -2": (-1, -2)}
PADDED = {
    "height: 9 width: 4": (9, 4),
    "height: 3 width: 5": (3, 5),
    "zoom_factor: 3": None,
    "shrink_factor: 2": None,
    "shrink_factor: 2 zoom_factor: 2": None,
}


@pytest.mark.parametrize("fields", RULES)
def test_sizes_and_values(fields, tmp_path):
    model = build(tmp_path, data(2, 3, 5, 7) + LAYER.format(fields=fields, more=""))
    x = normal(2, 3, 5, 7)
    actual = keras_fcn.blobs(model, {"data": x})["interp"]
    assert_close(actual, interp(x, *RULES[fields]))


@pytest.mark.parametrize("pads", [pads for pads in PADS if pads])
@pytest.mark.parametrize("fields", PADDED)
def test_cropped(fields, pads, tmp_path):
    begin, end = PADS[pads]
    size = PADDED[fields]
    if size is None:
        factors = dict(zip(fields.split()[::2], map(int, fields.split()[1::2]), strict=True))
        size = [n + begin + end for n in (5, 7)]
        size = [(n - 1) // factors.get("shrink_factor:", 1) + 1 for n in size]
        size = [(n - 1) * factors.get("zoom_factor:", 1) + 1 for n in size]
    model = build(tmp_path, data(2, 3, 5, 7) + LAYER.format(fields=f"{fields} {pads}", more=""))
    x = normal(2, 3, 5, 7)
    actual = keras_fcn.blobs(model, {"data": x})["interp"]
    assert_close(actual, interp(x, *size, begin, end))


def test_the_size_of_a_second_bottom(tmp_path):
    text = data(2, 3, 5, 7) + data(2, 1, 8, 6, name="like")
    model = build(tmp_path, text + LAYER.format(fields="pad_beg: -1", more='bottom: "like"'))
    assert model.output_shape == (None, None, None, 3)
    for height, width in [(8, 6), (3, 11)]:
        x, like = normal(2, 3, 5, 7), normal(2, 1, height, width)
        actual = keras_fcn.blobs(model, {"data": x, "like": like})["interp"]
        assert_close(actual, interp(x, height, width, -1))


@pytest.mark.parametrize(
    "layer",
    [
        Interp(zoom_factor=3),
        Interp(shrink_factor=2),
        Interp((4, 9)),
        Interp((1, 5), pad_beg=-1, pad_end=-1),
        Interp(zoom_factor=2, shrink_factor=3, pad_end=-1),
    ],
)
def test_at_any_size(layer):
    graph = tf.function(layer).get_concrete_function(tf.TensorSpec((None, None, None, 2)))
    for height, width in [(5, 7), (8, 4), (3, 3)]:
        x = normal(3, 2, height, width)
        images = to_channels_last(x)
        fixed = layer(images)
        expected = interp(x, *fixed.shape[1:3], layer.pad_beg, layer.pad_end)
        assert_close(to_caffe_order(graph(images)), expected)
        assert_close(to_caffe_order(fixed), expected)
        assert layer.compute_output_shape(images.shape) == fixed.shape


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ({"zoom_factor": 2}, (5, 7)),
        ({"shrink_factor": 2}, (2, 2)),
        ({"size": (5, 3), "pad_beg": -1}, (5, 3)),
        ({"size": (2, 3), "pad_end": -1}, (2, 3)),
    ],
)
def test_gradient(arguments, size):
    layer = Interp(**arguments, dtype="float64")
    pads = layer.pad_beg, layer.pad_end
    x = normal(2, 2, 3, 4).astype("float64")
    top = normal(2, 2, *size, seed=1).astype("float64")
    expected = numeric_gradient(lambda x: interp(x, *size, *pads), x, top)
    actual, *_ = gradients(layer, x, top)
    assert_close(actual, expected, 1e-6)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("", "no size is given"),
        ("height: 5", "'height' and 'width' must be given together"),
        ("height: 0 width: 5", "height: 0 must be at least 1"),
        ("zoom_factor: 0", "zoom_factor: 0 must be at least 1"),
        ("shrink_factor: -2", "shrink_factor: -2 must be at least 1"),
        ("zoom_factor: 2 pad_beg: 1", "pad_beg: 1 must not be more than 0"),
        ("zoom_factor: 2 pad_beg: -3 pad_end: -2", "cut 5 pixels from 5, none is left"),
    ],
)
def test_refused_nets(fields, message, tmp_path):
    with pytest.raises(CaffeError, match=f"layer 'interp' .Interp.: .*{message}"):
        build(tmp_path, data(2, 3, 5, 7) + LAYER.format(fields=fields, more=""))


@pytest.mark.parametrize(
    "arguments", [{"size": (2, 2), "zoom_factor": 2}, {"zoom_factor": 0}, {"pad_end": 1}]
)
def test_refused_arguments(arguments):
    with pytest.raises(ValueError, match="Received"):
        Interp(**arguments)


def test_config_and_reload(tmp_path):
    layer = Interp(zoom_factor=2, shrink_factor=3, pad_beg=-1)
    assert_config_round_trip(layer)
    model = model_of(layer, (None, None, 3))
    x = normal(1, 9, 8, 3)
    np.testing.assert_array_equal(reloaded(model, tmp_path)(x), model(x))


@pytest.mark.slow
@EXPORTS
def test_exports(export, tmp_path):
    model = model_of(Interp(zoom_factor=2, pad_end=-1), (None, None, 3))
    run = export(model, tmp_path)
    for height, width in [(5, 7), (8, 4)]:
        x = normal(2, height, width, 3)
        np.testing.assert_allclose(run(x), model(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision(policy):
    x = normal(1, 4, 5, 2)
    half = Interp(zoom_factor=3, dtype=policy)(x)
    assert keras.backend.standardize_dtype(half.dtype) == policy.removeprefix("mixed_")
    np.testing.assert_allclose(half, Interp(zoom_factor=3)(x), atol=0.05)
