import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.pooling import pool_size
from keras_fcn.caffe.layers.spp import bin_windows
from keras_fcn.layers import SPP
from tests.golden import assert_close, layer_case, layer_case_names, to_channels_last
from tests.keras_fcn.layers.checks import (
    caffe_params,
    dynamic,
    gradients,
    model_of,
    normal,
    saved_model,
)
from tests.thorough import examples


def fits(size, height):
    try:
        return all(bin_windows(size, 2**level) for level in range(height))
    except NetworkError:
        return False


@given(size=st.integers(1, 60), bins=st.sampled_from([1, 2, 4, 8, 16]))
def test_there_are_as_many_windows_as_bins(size, bins):
    try:
        length, pad = bin_windows(size, bins)
    except NetworkError:
        return
    assert pool_size(size, length, length, pad, "CEIL", pad > 0) == bins


def by_definition(x, height, pool):
    """Caffe's loops, (N, C, H, W) -> (N, C * (1 + 4 + ...))."""
    levels = []
    for bins in (2**level for level in range(height)):
        (high, top), (wide, left) = (bin_windows(size, bins) for size in x.shape[2:])
        cells = np.empty((*x.shape[:2], bins, bins))
        for i, j in np.ndindex(bins, bins):
            row, column = i * high - top, j * wide - left
            window = x[..., max(row, 0) : row + high, max(column, 0) : column + wide]
            rows = min(row + high, x.shape[2] + top) - row
            columns = min(column + wide, x.shape[3] + left) - column
            cells[..., i, j] = (
                window.max((2, 3)) if pool == "max" else window.sum((2, 3)) / (rows * columns)
            )
        levels.append(cells.reshape(len(x), -1))
    return np.concatenate(levels, 1)


@examples(15)
@given(
    height=st.integers(2, 3),
    sizes=st.tuples(st.integers(1, 14), st.integers(1, 14)),
    pool=st.sampled_from(["max", "ave"]),
)
def test_equals_the_definition(height, sizes, pool):
    if not all(fits(size, height) for size in sizes):
        with pytest.raises(ValueError, match="bins do not fit into"):
            SPP(height)(keras.Input((*sizes, 2)))
        return
    x = normal(2, 2, *sizes)
    layer = SPP(height, pool)
    outputs = layer(to_channels_last(x))
    assert_close(outputs, by_definition(x, height, pool))
    assert layer.compute_output_shape(to_channels_last(x).shape) == tuple(outputs.shape)


@pytest.mark.slow
@pytest.mark.parametrize("name", layer_case_names("spp_*"))
def test_one_graph_serves_every_size(name):
    case = layer_case(name)
    params = caffe_params(case)
    x = to_channels_last(case.inputs["data"])
    graph = dynamic(SPP(params.pyramid_height, params.pool.lower()), x.shape[-1])
    assert_close(graph(x), to_channels_last(case.outputs["out"]))
    assert graph(normal(3, 12, 11, x.shape[-1])).shape[1:] == graph(x).shape[1:]


def test_the_length_is_known_where_the_size_is_not():
    assert SPP(3)(keras.Input((None, None, 5))).shape == (None, 105)


def test_the_first_of_equal_maxima_gets_the_gradient():
    (grad,) = gradients(SPP(1), np.ones((1, 1, 2, 2), "float32"), np.ones((1, 1, 1, 1), "float32"))
    assert grad.ravel().tolist() == [1, 0, 0, 0]


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["max", "ave"])
def test_exports_run_at_any_size(pool, tmp_path):
    model = model_of(SPP(2, pool), (None, None, 3))
    run = saved_model(model, tmp_path)
    for shape in [(1, 6, 7, 3), (2, 9, 4, 3)]:
        assert_close(run(normal(*shape)), model(normal(*shape)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((2, "stochastic"), "pool must be one of.*'stochastic'"),
        ((0,), "pyramid_height must be at least 1.*Received: 0"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        SPP(*arguments)
