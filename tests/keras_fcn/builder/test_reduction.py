"""Reduction and ArgMax beyond the reference cases."""

from __future__ import annotations

import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.caffe.layers import reduction as caffe
from keras_fcn.layers import ArgMax, Reduction
from tests.golden import assert_close, to_caffe_order, to_channels_last
from tests.keras_fcn.layers.checks import (
    EXPORTS,
    assert_config_round_trip,
    model_of,
    normal,
    static,
)

SHAPE = (2, 3, 4, 5, 6)
AXES = [(rank, axis) for rank in range(1, 6) for axis in range(-rank, rank)]
OPERATIONS = {
    "sum": lambda rows: rows.sum(-1),
    "asum": lambda rows: np.abs(rows).sum(-1),
    "sumsq": lambda rows: (rows**2).sum(-1),
    "mean": lambda rows: rows.mean(-1),
}


def of_any_size(layer, rank):
    return static(layer, (None,) * rank)


@pytest.mark.sweep(4)
@pytest.mark.parametrize(("rank", "axis"), AXES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_reduction_from_every_axis(rank, axis, operation):
    x = normal(*SHAPE[:rank])
    kept = x.shape[: axis % rank]
    wanted = -0.5 * OPERATIONS[operation](x.reshape(*kept, -1))
    assert caffe.Reduction(axis=axis).top_shapes((x.shape,), 1) == (kept,)
    function = of_any_size(Reduction(operation, axis, coeff=-0.5), rank)
    assert_close(to_caffe_order(function(to_channels_last(x))), wanted)


def largest(rows, count):
    """Places along the last axis, largest first; of equal numbers the later place first."""
    later_first = np.broadcast_to(-np.arange(rows.shape[-1]), rows.shape)
    return np.lexsort((later_first, -rows), axis=-1)[..., :count]


def few_values(*shape):
    return np.random.default_rng(0).integers(0, 4, shape).astype("float32")


@pytest.mark.sweep(4)
@pytest.mark.parametrize(("rank", "axis"), AXES)
@pytest.mark.parametrize("top_k", [1, 2])
def test_argmax_along_every_axis(rank, axis, top_k):
    x = few_values(*SHAPE[:rank])
    places = np.moveaxis(largest(np.moveaxis(x, axis, -1), top_k), -1, axis)
    params = caffe.ArgMax(axis=axis, top_k=top_k)
    assert params.top_shapes((x.shape,), 1) == (places.shape,)
    function = of_any_size(ArgMax(top_k, axis), rank)
    assert_close(to_caffe_order(function(to_channels_last(x))), places, 0)
    function = of_any_size(ArgMax(top_k, axis, out_max_val=True), rank)
    values = np.take_along_axis(x, places, axis)
    assert_close(to_caffe_order(function(to_channels_last(x))), values, 0)


@pytest.mark.parametrize("rank", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("out_max_val", [False, True])
def test_argmax_over_an_image(rank, out_max_val):
    x = few_values(*SHAPE[:rank])
    rows = x.reshape(2, -1)
    count = min(3, rows.shape[1])
    places = largest(rows, count)
    parts = [places, np.take_along_axis(rows, places, -1)][: 1 + out_max_val]
    wanted = np.stack(parts, 1).reshape(2, len(parts), count, *(1,) * (rank - 3))
    params = caffe.ArgMax(top_k=count, out_max_val=out_max_val)
    assert params.top_shapes((x.shape,), 1) == (wanted.shape,)
    function = of_any_size(ArgMax(count, out_max_val=out_max_val), rank)
    assert_close(to_caffe_order(function(to_channels_last(x))), wanted, 0)


@pytest.mark.parametrize(
    ("params", "bottom", "wanted"),
    [
        (caffe.Reduction(axis=2), (None, 3, None), (None, 3)),
        (caffe.ArgMax(top_k=2), (None, 3, None, None), (None, 1, 2, 1)),
        (caffe.ArgMax(axis=2), (None, 3, None, None), (None, 3, 1, None)),
    ],
)
def test_sizes_not_known_pass_through(params, bottom, wanted):
    assert params.top_shapes((bottom,), 1) == (wanted,)


@pytest.mark.parametrize(
    ("params", "bottom", "message"),
    [
        (caffe.Reduction(axis=2), (2, 3), "axis: 2 is outside"),
        (caffe.ArgMax(axis=-3), (2, 3), "axis: -3 is outside"),
        (caffe.ArgMax(top_k=4), (2, 3), "top_k: 4 is more than the 3"),
        (caffe.ArgMax(top_k=3, axis=0), (2, 3), "top_k: 3 is more than the 2"),
    ],
)
def test_what_caffe_refuses(params, bottom, message):
    with pytest.raises(convert.CaffeError, match=message):
        params.top_shapes((bottom,), 1)


def test_top_k_is_at_least_1():
    with pytest.raises(convert.CaffeError, match="top_k: 0"):
        caffe.ArgMax(top_k=0)


def test_arguments():
    assert_config_round_trip(Reduction("mean", axis=1, coeff=2.0, name="r"))
    assert_config_round_trip(ArgMax(top_k=2, axis=1, out_max_val=True))
    with pytest.raises(ValueError, match="Received: 'max'"):
        Reduction("max")


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_places_beyond_2048_are_exact_in_mixed_precision(policy):
    x = np.zeros((1, 5000), "float32")
    x[0, 4097] = 1
    outputs = ArgMax(dtype=policy)(x)
    assert outputs.dtype == "float32"
    assert outputs[0, 0, 0] == 4097


def test_at_any_size(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text("""
        layer { name: "data" type: "Input" top: "data"
                input_param { shape { dim: 2 dim: 3 dim: 6 dim: 8 } } }
        layer { name: "classes" type: "ArgMax" bottom: "data" top: "classes"
                argmax_param { axis: 1 } }
        layer { name: "best" type: "ArgMax" bottom: "data" top: "best" }
        layer { name: "rows" type: "Reduction" bottom: "data" top: "rows"
                reduction_param { axis: 3 operation: MEAN } }
        layer { name: "softmax" type: "Softmax" bottom: "data" top: "softmax"
                softmax_param { axis: 2 } }
    """)
    model = keras_fcn.from_caffe(path)
    assert model.input_shape == (None, None, None, 3)
    x = normal(4, 3, 5, 7)
    blobs = keras_fcn.blobs(model, x)
    assert_close(blobs["classes"], x.argmax(1)[:, None], 0)
    assert_close(blobs["best"], x.reshape(4, -1).argmax(1)[:, None, None, None], 0)
    assert_close(blobs["rows"], x.mean(3))
    assert_close(blobs["softmax"], np.exp(x) / np.exp(x).sum(2, keepdims=True))


def test_softmax_over_a_batch_of_numbers(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text("""
        layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 } } }
        layer { name: "softmax" type: "Softmax" bottom: "data" top: "softmax"
                softmax_param { axis: 0 } }
    """)
    x = normal(5)
    blobs = keras_fcn.blobs(keras_fcn.from_caffe(path), x)
    assert_close(blobs["softmax"], np.exp(x) / np.exp(x).sum())


@EXPORTS
@pytest.mark.parametrize("layer", [ArgMax(axis=1), ArgMax(2, out_max_val=True), Reduction(axis=1)])
def test_exports(export, layer, tmp_path):
    model = model_of(layer, (4, 5, 3))
    x = few_values(2, 4, 5, 3)
    assert_close(export(model, tmp_path)(x), model(x))
