import numpy as np
import pytest

from keras_fcn.layers import PixelwiseSoftmax
from tests.golden import assert_close, layer_case, to_caffe_order, to_channels_last
from tests.keras_fcn.layers.checks import (
    EXPORTS,
    assert_config_round_trip,
    dynamic,
    gradients,
    model_of,
    normal,
    reloaded,
    static,
)


@pytest.mark.parametrize(
    "name", ["softmax_2d", "softmax_3d", "softmax_4d", "softmax_channels1", "softmax_large"]
)
def test_equals_caffe(name):
    case = layer_case(name)
    outputs = PixelwiseSoftmax()(to_channels_last(case.inputs["data"]))
    assert_close(to_caffe_order(outputs), case.outputs["out"])


@pytest.mark.parametrize("name", ["grad_softmax", "grad_softmax_4d"])
def test_gradients_equal_caffes(name):
    case = layer_case(name)
    (grad,) = gradients(PixelwiseSoftmax(), case.inputs["data"], case.grads["top/out"])
    assert_close(grad, case.grads["in/data"])


@pytest.mark.parametrize("shape", [(3, 5), (2, 4, 5), (2, 3, 4, 5), (2, 3, 2, 4, 5)])
@pytest.mark.parametrize("flatten", [False, True])
def test_any_rank(shape, flatten):
    layer, x = PixelwiseSoftmax(flatten), normal(*shape)
    outputs = layer(x)
    expected = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    if flatten:
        expected = expected.reshape(shape[0], -1, 5)
    assert_close(outputs, expected, 1e-6)
    assert layer.compute_output_shape(shape) == tuple(outputs.shape)


@pytest.mark.parametrize(
    ("known", "flat"),
    [
        ((None, None, None, 5), (None, None, 5)),
        ((None, 3, None, 5), (None, None, 5)),
        ((2, None, 4, 5), (2, None, 5)),
        ((None, 3, 4, 5), (None, 12, 5)),
        ((2, 3, 4, 5), (2, 12, 5)),
    ],
)
def test_graphs_keep_the_sizes_they_know(known, flat):
    layer = PixelwiseSoftmax(flatten=True)
    graph = static(layer, known)
    assert layer.compute_output_shape(known) == flat
    assert tuple(graph.output_shapes) == flat
    assert_close(graph(normal(2, 3, 4, 5)), layer(normal(2, 3, 4, 5)), 0)


def test_positions_are_in_row_order():
    x = normal(1, 3, 4, 5)
    flat = PixelwiseSoftmax(flatten=True)(x)
    assert_close(flat[0, 1 * 4 + 2], PixelwiseSoftmax()(x)[0, 1, 2], 0)


@pytest.mark.parametrize("dtype", [None, "mixed_float16", "float16"])
def test_is_float32_under_every_policy(dtype):
    layer = PixelwiseSoftmax(dtype=dtype)
    # In float16 the second logit would round to the first.
    x = np.array([[1000.0, 1000.4]], "float32")
    outputs = layer(x)
    assert outputs.dtype == "float32"
    assert_close(outputs, [[0.401312, 0.598688]], 1e-4)
    assert layer(x.astype("float16")).dtype == "float32"
    assert model_of(layer, (2,)).outputs[0].dtype == "float32"


def test_is_stable():
    x = np.array([[3e38, -3e38], [-1e30, -1e30], [88.0, 1e4]], "float32")
    assert_close(PixelwiseSoftmax()(x), [[1, 0], [0.5, 0.5], [0, 1]], 1e-7)


@EXPORTS
def test_exports_run_at_any_size(export, tmp_path):
    model = model_of(PixelwiseSoftmax(), (None, None, 6))
    run = export(model, tmp_path)
    for shape in [(1, 12, 13, 6), (2, 5, 9, 6)]:
        assert_close(run(normal(*shape)), model(normal(*shape)), 1e-6)


def test_dynamic_graph():
    layer = PixelwiseSoftmax()
    assert_close(dynamic(layer, 4)(normal(2, 5, 6, 4)), layer(normal(2, 5, 6, 4)), 0)


@pytest.mark.parametrize("flatten", [False, True])
def test_saves_and_loads(flatten, tmp_path):
    assert_config_round_trip(PixelwiseSoftmax(flatten))
    model = model_of(PixelwiseSoftmax(flatten), (5, 6, 4))
    again = reloaded(model, tmp_path)
    assert isinstance(again.layers[-1], PixelwiseSoftmax)
    assert_close(again(normal(2, 5, 6, 4)), model(normal(2, 5, 6, 4)), 0)


def test_refuses_a_vector():
    with pytest.raises(ValueError, match="min_ndim=2"):
        PixelwiseSoftmax()(normal(3))
