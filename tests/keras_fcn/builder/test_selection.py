"""BatchReindex, Filter and Embed beyond the reference cases."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import convert
import keras_fcn
from keras_fcn.caffe.layers import selection as caffe
from keras_fcn.layers import BatchReindex, Embed, Filter
from tests.golden import assert_close, layer_case, to_caffe_order, to_channels_last
from tests.keras_fcn.layers.checks import (
    EXPORTS,
    model_of,
    normal,
    reloaded,
    static,
)

SHAPE = (4, 3, 2, 5)
POLICIES = pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_batch_reindex(rank):
    x, indices = normal(*SHAPE[:rank]), np.array([3, 0, 3, 3, 1], "float32")
    assert caffe.BatchReindex().top_shapes((x.shape, (5,)), 1) == ((5, *x.shape[1:]),)
    inputs = [tf.constant(to_channels_last(x)), tf.constant(indices)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = BatchReindex()(inputs)
    assert_close(to_caffe_order(outputs), x[[3, 0, 3, 3, 1]], 0)
    top = to_channels_last(normal(5, *x.shape[1:], seed=1))
    by_batch, by_indices = tape.gradient(outputs, inputs, tf.constant(top))
    wanted = np.zeros_like(to_channels_last(x))
    np.add.at(wanted, [3, 0, 3, 3, 1], top)
    assert_close(tf.convert_to_tensor(by_batch), wanted)
    assert by_indices is None


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_filter_gradient_goes_to_what_is_kept(rank):
    x, selector = normal(*SHAPE[:rank]), np.array([[0], [-2], [0], [1e-30]], "float32")
    inputs = [tf.constant(to_channels_last(x)), tf.constant(selector)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        (outputs,) = Filter()(inputs)
    assert_close(to_caffe_order(outputs), x[[1, 3]], 0)
    by_batch, by_selector = tape.gradient(outputs, inputs)
    wanted = np.zeros_like(to_channels_last(x))
    wanted[[1, 3]] = 1
    assert_close(tf.convert_to_tensor(by_batch), wanted, 0)
    assert by_selector is None


@POLICIES
def test_indices_and_selectors_are_not_rounded(policy):
    x = np.arange(5000, dtype="float32")
    assert BatchReindex(dtype=policy)([x, np.array([4097], "float32")])[0] == 4097
    (kept,) = Filter(dtype=policy)([x[:2], np.array([0, 1e-30], "float32")])
    assert_close(kept, [1])
    embed = Embed(5000, 2, dtype=policy)
    row = embed(np.array([4097], "float32"))
    assert row.dtype == embed.compute_dtype
    assert_close(keras.ops.cast(row[0], "float32"), embed.embeddings[4097], 1e-2)


@pytest.mark.parametrize("rank", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("known", [True, False])
def test_embed_adds_caffes_last_axis(rank, known):
    indices = np.random.default_rng(0).integers(0, 9, SHAPE[:rank]).astype("float32")
    layer = Embed(9, 6, bias_initializer="ones")
    shape = to_channels_last(indices).shape
    function = static(layer, shape if known else (None,) * rank)
    wanted = np.asarray(layer.embeddings)[indices.astype(int)] + 1
    params = caffe.Embed(num_output=6, input_dim=9)
    assert params.top_shapes((indices.shape,), 1) == (wanted.shape,)
    assert_close(to_caffe_order(function(to_channels_last(indices))), wanted)


def test_embed_layout_round_trip():
    params = caffe.Embed(num_output=6, input_dim=9)
    blobs = [normal(9, 6), normal(6, seed=1)]
    assert params.weight_shapes(((4,),)) == ((9, 6), (6,))
    weights = params.keras_weights(blobs, None)
    assert [weight.name for weight in weights] == ["embeddings", "bias"]
    again = params.caffe_blobs([weight.array() for weight in weights], None)
    for blob, expected in zip(again, blobs, strict=True):
        np.testing.assert_array_equal(blob, expected)
    assert caffe.Embed.from_blobs([(1, 1, 9, 6)]) == caffe.Embed(
        num_output=6, input_dim=9, bias_term=False
    )
    assert caffe.Embed.from_blobs([]) is None


def test_embed_of_the_reference_case_is_converted(tmp_path):
    case = layer_case("embed_4d")
    convert.convert(None, case.weights, tmp_path / "net.h5")
    model = keras_fcn.from_caffe(case.prototxt, tmp_path / "net.h5")
    assert_close(keras_fcn.blobs(model, case.inputs)["out"], case.outputs["out"])


@pytest.mark.parametrize(
    ("params", "bottoms", "wanted"),
    [
        (caffe.BatchReindex(), ((None, 3, None), (None,)), ((None, 3, None),)),
        (caffe.Filter(), ((4, 3), (4, None), (None, 1)), ((None, 3), (None, None))),
        (caffe.Embed(num_output=2, input_dim=3), ((None, None),), ((None, None, 2),)),
    ],
)
def test_sizes_not_known_pass_through(params, bottoms, wanted):
    assert params.top_shapes(bottoms, len(wanted)) == wanted


@pytest.mark.parametrize(
    ("params", "bottoms", "tops", "message"),
    [
        (caffe.BatchReindex(), ((4, 3), (5, 1)), 1, r"\(5, 1\)"),
        (caffe.Filter(), ((4, 3), (4, 2)), 1, r"one number an image, got shape \(4, 2\)"),
        (caffe.Filter(), ((4, 3), (5,)), 1, r"batch sizes \(\(4, 3\), \(5,\)\)"),
        (caffe.Filter(), ((4, 3), (4,)), 2, "one top for each bottom but the last, has 2"),
    ],
)
def test_what_caffe_refuses(params, bottoms, tops, message):
    with pytest.raises(convert.CaffeError, match=message):
        params.top_shapes(bottoms, tops)


@pytest.mark.parametrize("field", ["num_output", "input_dim"])
def test_an_empty_table_is_refused(field):
    with pytest.raises(convert.CaffeError, match=f"{field}: 0"):
        caffe.Embed(**{"num_output": 1, "input_dim": 1, field: 0})


def test_layers_after_a_filter_take_what_is_left(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text("""
        layer { name: "data" type: "Input" top: "data"
                input_param { shape { dim: 6 dim: 3 dim: 4 dim: 4 } } }
        layer { name: "which" type: "Input" top: "which" input_param { shape { dim: 6 } } }
        layer { name: "kept" type: "Filter" bottom: "data" bottom: "which" top: "kept" }
        layer { name: "ip" type: "InnerProduct" bottom: "kept" top: "ip"
                inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
    """)
    model = reloaded(keras_fcn.from_caffe(path), tmp_path)
    x = normal(4, 3, 4, 4)
    blobs = keras_fcn.blobs(model, {"data": x, "which": np.array([0, 1, 0, 1])})
    assert_close(blobs["kept"], x[[1, 3]], 0)
    assert blobs["ip"].shape == (2, 5)


@EXPORTS
def test_exports(export, tmp_path):
    model = model_of(Embed(9, 6, bias_initializer="ones"), (5,))
    indices = np.array([[0, 1, 2, 3, 8]] * 3, "float32")
    assert_close(export(model, tmp_path)(indices), model(indices))
