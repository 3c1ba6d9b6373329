"""Scale, Bias and Parameter beyond the reference cases."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import convert
import keras_fcn
from keras_fcn.caffe.layers.parameter import Parameter as ParameterParams
from keras_fcn.caffe.layers.scale import Bias as BiasParams
from keras_fcn.caffe.layers.scale import Scale as ScaleParams
from keras_fcn.caffe.layers.scale import ScaleByBottom
from keras_fcn.layers import Bias, Scale
from tests.golden import assert_close, layer_case, to_caffe_order, to_channels_last
from tests.keras_fcn.layers.checks import (
    EXPORTS,
    assert_config_round_trip,
    dynamic,
    model_of,
    normal,
    reloaded,
    static,
)

SHAPE = (2, 3, 4, 5, 6)
# Every run of axes of blobs with one to five axes.
RUNS = [
    (rank, first, last)
    for rank in range(1, 6)
    for first, last in itertools.combinations_with_replacement(range(rank + 1), 2)
    if first < rank
]


def broadcast(operand, first, rank):
    """Along the axes from ``first`` on, in Caffe's order."""
    return operand.reshape(*operand.shape, *(1,) * (rank - first - operand.ndim))


@pytest.mark.sweep(3)
@pytest.mark.parametrize(("rank", "first", "last"), RUNS)
@pytest.mark.parametrize("negative", [False, True])
def test_learned_operands_lie_along_caffes_axes(rank, first, last, negative):
    shape = SHAPE[:rank]
    x, scale, bias = normal(*shape), normal(*shape[first:last], seed=1), normal(*shape[first:last])
    axis = first - rank if negative else first
    layer = Scale(shape=shape[first:last], axis=axis, use_bias=True)
    layer.build(to_channels_last(x).shape)
    layer.set_weights([scale, bias])
    expected = x * broadcast(scale, first, rank) + broadcast(bias, first, rank)
    assert_close(to_caffe_order(layer(to_channels_last(x))), expected)
    layer = Bias(shape=shape[first:last], axis=axis)
    layer.build(to_channels_last(x).shape)
    layer.set_weights([bias])
    assert_close(to_caffe_order(layer(to_channels_last(x))), x + broadcast(bias, first, rank))


@pytest.mark.parametrize(("rank", "first", "last"), RUNS)
def test_second_inputs_lie_along_caffes_axes(rank, first, last):
    shape = SHAPE[:rank]
    x, operand = normal(*shape), normal(*shape[first:last], seed=1)
    inputs = [to_channels_last(x), to_channels_last(operand)]
    expected = broadcast(operand, first, rank)
    assert_close(to_caffe_order(Scale(axis=first)(inputs)), x * expected)
    assert_close(to_caffe_order(Bias(axis=first)(inputs)), x + expected)


@pytest.mark.parametrize(
    ("settings", "shapes", "wanted"),
    [
        ({}, ((2, 3, 4, 5),), ((3,),)),
        ({"bias_term": True}, ((2, 3, 4, 5),), ((3,), (3,))),
        ({"axis": -2, "num_axes": -1}, ((2, 3, 4, 5),), ((4, 5),)),
        ({"num_axes": 0}, ((2, 3, 4, 5),), ((),)),
        ({"num_axes": 2}, ((None, 3, None, None),), ((3, None),)),
    ],
)
def test_shapes_of_what_is_learned(settings, shapes, wanted):
    params = ScaleParams(**settings)
    assert params.top_shapes(shapes, 1) == shapes[:1]
    assert params.weight_shapes(shapes) == wanted
    blobs = [normal(*(size or 7 for size in shape)) for shape in wanted]
    weights = [weight.array() for weight in params.keras_weights(blobs, None)]
    for again, blob in zip(params.caffe_blobs(weights, None), blobs, strict=True):
        np.testing.assert_array_equal(again, blob)


def test_what_a_scale_by_a_bottom_learns():
    shapes = ((2, 3, 4), (3, 4))
    params = ScaleByBottom(bias_term=True)
    assert params.weight_shapes(shapes) == ((3, 4),)
    assert [weight.name for weight in params.keras_weights([normal(3, 4)], None)] == ["bias"]
    assert [filler.value for filler in params.fillers()] == [0]
    assert ScaleByBottom().weight_shapes(shapes) == ()
    assert BiasParams().weight_shapes(shapes) == ()


@pytest.mark.parametrize(
    ("params", "shapes", "message"),
    [
        (ScaleParams(axis=4), ((2, 3, 4, 5),), r"axis: 4 is outside"),
        (ScaleParams(axis=2, num_axes=3), ((2, 3, 4, 5),), r"num_axes: 3"),
        (ScaleParams(), ((2, 3, 4, 5), (4,)), r"axis: 1: .*\(4,\).*\(2, 3, 4, 5\)"),
        (BiasParams(axis=3), ((2, 3, 4, 5), (5, 5)), r"axis: 3: .*\(5, 5\)"),
        (BiasParams(axis=4), ((2, 3, 4, 5), (1,)), r"axis: 4 is outside"),
    ],
)
def test_refuses_what_does_not_fit(params, shapes, message):
    with pytest.raises(convert.CaffeError, match=message):
        params.top_shapes(shapes, 1)


def test_unknown_sizes_fit_any():
    shapes = ((None, 3, None, None), (None, None))
    assert ScaleParams(axis=2).top_shapes(shapes, 1) == shapes[:1]


def test_arguments():
    assert_config_round_trip(Scale(shape=(3,), axis=-1, use_bias=True, name="scale"))
    assert_config_round_trip(Bias(shape=(3, 4), axis=2, bias_initializer="ones"))
    with pytest.raises(ValueError, match="shape is missing"):
        Scale()(normal(2, 3))
    with pytest.raises(ValueError, match="shape is missing"):
        Scale(use_bias=True)([normal(2, 3), normal(3)])
    with pytest.raises(ValueError, match=r"shape must be known.*\(None,\)"):
        Bias(shape=(None,))


@pytest.mark.parametrize("layer", [Scale(shape=(3,), use_bias=True), Bias(shape=(3,))])
def test_any_size_without_transposing(layer):
    function = dynamic(layer, 3)
    assert function.structured_outputs.shape.as_list() == [None, None, None, 3]
    names = {operation.type for operation in function.graph.get_operations()}
    assert not names & {"Transpose", "Shape", "StridedSlice"}


def test_squeeze_and_excite_runs_at_any_size():
    layer = Scale(axis=0)
    inputs = [keras.Input((None, None, 3)), keras.Input((3,))]
    model = keras.Model(inputs, layer(inputs))
    x, gate = normal(2, 6, 7, 3), normal(2, 3, seed=1)
    assert_close(model([x, gate]), x * gate[:, None, None])


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    layer = Scale(shape=(3,), use_bias=True, dtype=policy)
    function = static(layer, (2, 4, 3))
    assert function.structured_outputs.dtype == layer.compute_dtype
    assert {weight.dtype for weight in layer.weights} == {"float32"}


@EXPORTS
def test_exports(export, tmp_path):
    model = model_of(Scale(shape=(3, 4), axis=1, use_bias=True), (4, None, 3))
    model.layers[-1].set_weights([normal(3, 4), normal(3, 4, seed=1)])
    x = normal(2, 4, 5, 3)
    assert_close(export(model, tmp_path)(x), model(x))


# Parameter

PARAMETER = """
layer { name: "p" type: "Parameter" top: "p" parameter_param { shape { dim: 1 dim: 3 dim: 4 } } }
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 4 } } }
layer { name: "sum" type: "Eltwise" bottom: "data" bottom: "p" top: "sum" }
"""


@pytest.mark.parametrize("shape", [(), (2,), (2, 3), (2, 3, 4), (2, 3, 4, 5)])
def test_parameter_layout_round_trip(shape):
    params = ParameterParams(shape=shape)
    blob = normal(*shape)
    (weight,) = params.keras_weights([blob], None)
    assert weight.shape == to_channels_last(blob).shape
    np.testing.assert_array_equal(params.caffe_blobs([weight.array()], None)[0], blob)


def test_parameter_before_the_input_is_trained_and_saved(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(PARAMETER)
    model = keras_fcn.from_caffe(path)
    layer = model.get_layer("p")
    assert_close(layer.parameter, np.zeros((1, 4, 3)))
    values = normal(1, 4, 3)
    layer.set_weights([values])
    x = normal(1, 3, 4, seed=1)
    blobs = keras_fcn.blobs(reloaded(model, tmp_path), x)
    assert_close(blobs["p"], to_caffe_order(values))
    assert_close(blobs["sum"], x + to_caffe_order(values))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(model(to_channels_last(x))))
    (gradient,) = tape.gradient(loss, model.trainable_weights)
    assert_close(gradient, 2 * (to_channels_last(x) + values))


def test_parameter_of_the_reference_case_is_converted(tmp_path):
    case = layer_case("parameter")
    convert.convert(case.prototxt, case.weights, tmp_path / "net.h5")
    model = keras_fcn.from_caffe(case.prototxt, tmp_path / "net.h5")
    assert_close(keras_fcn.blobs(model, case.inputs)["out"], case.outputs["out"])
