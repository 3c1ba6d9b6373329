import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from keras_fcn.caffe.layers.pooling import pool_size as caffe_pool_size
from keras_fcn.layers import CaffeAveragePooling2D, CaffeMaxPooling2D
from tests.golden import (
    assert_close,
    layer_case,
    layer_case_names,
    to_caffe_order,
    to_channels_last,
)
from tests.keras_fcn.layers.checks import (
    EXPORTS,
    assert_config_round_trip,
    caffe_params,
    dynamic,
    gradients,
    model_of,
    normal,
    op_types,
    reloaded,
    static,
)
from tests.thorough import examples

POOLINGS = {"MAX": CaffeMaxPooling2D, "AVE": CaffeAveragePooling2D}
EITHER = pytest.mark.parametrize("pooling", POOLINGS.values())
ALEXNET = {"pool_size": 3, "strides": 2}


def built_from(case):
    params = caffe_params(case)
    return POOLINGS[params.pool](
        params.kernel_size,
        params.stride,
        params.pad,
        params.round_mode.lower(),
        params.global_pooling,
    )


def by_definition(x, pooling, size, stride, pad):
    """Caffe's loops over one channels-last image, rounding up."""
    lows = []
    for axis, length in enumerate(x.shape[1:3]):
        count = caffe_pool_size(length, size[axis], stride[axis], pad[axis], "CEIL", any(pad))
        lows.append(np.arange(count) * stride[axis] - pad[axis])
    outputs = np.empty((1, len(lows[0]), len(lows[1]), x.shape[-1]))
    for i, top in enumerate(lows[0]):
        for j, left in enumerate(lows[1]):
            window = x[0, max(top, 0) : top + size[0], max(left, 0) : left + size[1]]
            if pooling is CaffeMaxPooling2D:
                lowest = float(np.finfo("float32").min)
                outputs[0, i, j] = window.max((0, 1), initial=lowest)
            else:
                rows = min(top + size[0], x.shape[1] + pad[0]) - top
                columns = min(left + size[1], x.shape[2] + pad[1]) - left
                with np.errstate(invalid="ignore"):
                    outputs[0, i, j] = window.sum((0, 1)) / np.float64(rows * columns)
    return outputs


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", layer_case_names("pool_*"))
def test_equals_caffe(name):
    case = layer_case(name)
    layer = built_from(case)
    x = to_channels_last(case.inputs["data"])
    expected = case.outputs["out"]
    assert_close(to_caffe_order(layer(x)), expected)
    assert_close(to_caffe_order(dynamic(layer, x.shape[-1])(x)), expected)
    assert layer.compute_output_shape(x.shape) == to_channels_last(expected).shape


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", layer_case_names("pool_*_k2s*"))
def test_equals_caffe_under_xla(name):
    # Keras compiles models by default when they train.
    case = layer_case(name)
    outputs = tf.function(built_from(case), jit_compile=True)(to_channels_last(case.inputs["data"]))
    assert_close(to_caffe_order(outputs), case.outputs["out"])


@pytest.mark.parametrize("name", layer_case_names("grad_pool_*"))
@pytest.mark.parametrize("graph", [static, dynamic])
def test_gradients_equal_caffes(name, graph):
    case = layer_case(name)
    layer = built_from(case)
    shape = to_channels_last(case.inputs["data"]).shape
    function = graph(layer, shape if graph is static else shape[-1])
    (grad,) = gradients(function, case.inputs["data"], case.grads["top/out"])
    assert_close(grad, case.grads["in/data"])


def test_global_maximum_gives_the_first_of_equals_the_gradient_where_the_size_is_known():
    layer = CaffeMaxPooling2D(global_pooling=True)
    x, top = np.ones((1, 1, 2, 2), "float32"), np.ones((1, 1, 1, 1), "float32")
    (known,) = gradients(static(layer, (1, 2, 2, 1)), x, top)
    (unknown,) = gradients(dynamic(layer, 1), x, top)
    assert known.ravel().tolist() == [1, 0, 0, 0]
    assert unknown.ravel().tolist() == [0.25] * 4


@st.composite
def geometries(draw):
    """(height, width), pool_size, strides, padding; at least one window an axis."""
    axes = []
    for _ in range(2):
        length = draw(st.integers(1, 6))
        stride = draw(st.integers(1, 6))
        pad = draw(st.integers(0, length - 1))
        fewest = max(1, length - 2 * pad - stride + 1)
        axes.append((draw(st.integers(fewest, fewest + 15)), length, stride, pad))
    return tuple(zip(*axes, strict=True))


@EITHER
@examples(150)
@given(geometry=geometries())
def test_any_geometry_equals_the_definition(pooling, geometry):
    sizes, *arguments = geometry
    x = normal(1, *sizes, 2)
    layer = pooling(*arguments)
    outputs = layer(x)
    assert layer.compute_output_shape(x.shape) == tuple(outputs.shape)
    assert_close(outputs, by_definition(x, pooling, *arguments))


@pytest.mark.slow
@EITHER
@examples(25)
@given(geometry=geometries(), data=st.data())
def test_one_dynamic_graph_serves_every_size(pooling, geometry, data):
    sizes, *arguments = geometry
    layer = pooling(*arguments)
    graph = dynamic(layer, 2)
    for _ in range(4):
        grown = [size + data.draw(st.integers(0, 5)) for size in sizes]
        x = normal(1, *grown, 2)
        assert_close(graph(x), layer(x), 1e-6)


@examples(100)
@given(geometry=geometries(), round_mode=st.sampled_from(["ceil", "floor"]))
def test_the_converter_has_the_same_size_rule(geometry, round_mode):
    sizes, *arguments = geometry
    sizes = [size + length for size, length in zip(sizes, arguments[0], strict=True)]
    layer = CaffeMaxPooling2D(*arguments, round_mode)
    rules = zip(sizes, *arguments, strict=True)
    expected = [caffe_pool_size(*rule, round_mode.upper(), any(arguments[2])) for rule in rules]
    assert layer.compute_output_shape((7, *sizes, 3)) == (7, *expected, 3)
    assert static(layer, (7, *sizes, 3)).output_shapes == (7, *expected, 3)


@EITHER
def test_unknown_sizes_stay_unknown(pooling):
    layer = pooling(**ALEXNET)
    assert layer.compute_output_shape((None, None, 55, 3)) == (None, None, 27, 3)
    assert pooling(global_pooling=True).compute_output_shape((2, None, None, 3)) == (2, 1, 1, 3)
    assert model_of(layer, (None, None, 3)).output_shape == (None, None, None, 3)


@pytest.mark.parametrize(
    ("pooling", "arguments", "sizes"),
    [
        (CaffeMaxPooling2D, ALEXNET, (55, 27)),
        (CaffeMaxPooling2D, ALEXNET, (56, 28)),
        (CaffeMaxPooling2D, {"pool_size": 2, "strides": 2}, (7, 8)),
        (CaffeMaxPooling2D, {"pool_size": 2, "strides": 2}, (None, None)),
        (CaffeMaxPooling2D, {"pool_size": 3, "padding": 1}, (7, 8)),
        (CaffeMaxPooling2D, {"pool_size": 3, "padding": 1}, (None, None)),
        (CaffeMaxPooling2D, {**ALEXNET, "round_mode": "floor"}, (None, None)),
        (CaffeMaxPooling2D, {"pool_size": 5}, (None, None)),
        (CaffeMaxPooling2D, {"global_pooling": True}, (None, None)),
        (CaffeAveragePooling2D, ALEXNET, (55, 27)),
        (CaffeAveragePooling2D, {**ALEXNET, "round_mode": "floor"}, (None, None)),
        (CaffeAveragePooling2D, {"pool_size": 7}, (None, None)),
        (CaffeAveragePooling2D, {"global_pooling": True}, (None, None)),
    ],
)
def test_graphs_without_overhang_neither_pad_nor_correct(pooling, arguments, sizes):
    types = op_types(static(pooling(**arguments), (1, *sizes, 4)))
    assert not {"Pad", "PadV2", "Mul"} & set(types)


@EITHER
def test_an_overhang_is_padded_where_it_may_occur(pooling):
    for sizes in [(55, 56), (None, None)]:
        assert {"Pad", "PadV2"} & set(op_types(static(pooling(**ALEXNET), (1, *sizes, 4))))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@EITHER
def test_other_precisions(dtype, pooling):
    x = normal(1, 8, 9, 3)
    for arguments in [ALEXNET, {**ALEXNET, "padding": 1}, {"global_pooling": True}]:
        outputs = pooling(**arguments, dtype=dtype)(x)
        assert outputs.dtype == dtype
        expected = pooling(**arguments)(x)
        tolerance = {"float16": 2e-3, "bfloat16": 2e-2, "float64": 1e-6}[dtype]
        assert_close(np.asarray(outputs, "float32"), expected, tolerance)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_an_empty_window_is_finite_in_every_precision(dtype):
    layer = tf.function(CaffeMaxPooling2D(1, 2, dtype=dtype), jit_compile=True)
    outputs = layer(normal(1, 2, 2, 1))
    assert np.isfinite(np.asarray(outputs, "float32")).all()
    assert np.asarray(outputs, "float32").min() < -6e4


@EXPORTS
@EITHER
@pytest.mark.parametrize(
    "arguments",
    [
        ALEXNET,
        {"pool_size": 2, "strides": 2},
        {"pool_size": 3, "strides": 2, "padding": 1},
        {"pool_size": 2, "strides": 2, "padding": 1},
        {"global_pooling": True},
    ],
    ids=str,
)
def test_exports_run_at_any_size(export, pooling, arguments, tmp_path):
    layer = pooling(**arguments)
    run = export(model_of(layer, (None, None, 4)), tmp_path)
    for shape in [(1, 12, 13, 4), (2, 9, 7, 4), (1, 8, 8, 4)]:
        assert_close(run(normal(*shape)), layer(normal(*shape)), 1e-6)


@EITHER
@pytest.mark.parametrize(
    "arguments",
    [{"pool_size": (3, 2), "strides": 2, "padding": (1, 0)}, {"global_pooling": True}],
    ids=str,
)
def test_saves_and_loads(pooling, arguments, tmp_path):
    assert_config_round_trip(pooling(**arguments))
    model = model_of(pooling(**arguments), (8, 9, 4))
    again = reloaded(model, tmp_path)
    assert isinstance(again.layers[-1], pooling)
    assert_close(again(normal(1, 8, 9, 4)), model(normal(1, 8, 9, 4)), 0)


@EITHER
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "pool_size is missing.*Received: pool_size=None"),
        ({"pool_size": 0}, "pool_size must be an integer of at least 1.*Received: 0"),
        ({"pool_size": (2, 2, 2)}, r"pair of them. Received: \(2, 2, 2\)"),
        ({"pool_size": 2.5}, "Received: 2.5"),
        ({"pool_size": 2, "strides": (1, 0)}, r"strides must .*Received: \(1, 0\)"),
        ({"pool_size": 2, "padding": -1}, "padding must be .*at least 0.*Received: -1"),
        ({"pool_size": (3, 2), "padding": 2}, r"smaller than pool_size.*padding=\(2, 2\)"),
        ({"pool_size": 2, "round_mode": "CEIL"}, "'ceil' or 'floor'. Received: 'CEIL'"),
        ({"pool_size": 2, "global_pooling": True}, r"leave pool_size.*pool_size=\(2, 2\)"),
        ({"global_pooling": True, "padding": 1}, r"leave pool_size.*padding=\(1, 1\)"),
    ],
    ids=str,
)
def test_refuses(pooling, arguments, message):
    with pytest.raises(ValueError, match=message):
        pooling(**arguments)


@EITHER
def test_refuses_maps_without_a_window(pooling):
    with pytest.raises(ValueError, match=r"too small for 'pool9'.*input_shape=\(1, 9, 3, 2\)"):
        pooling(5, name="pool9").compute_output_shape((1, 9, 3, 2))
    with pytest.raises(ValueError, match="too small for 'pool9'"):
        model_of(pooling(5, name="pool9"), (9, 3, 2))
    with pytest.raises(ValueError, match="ndim=4"):
        pooling(2)(normal(2, 3, 4))
