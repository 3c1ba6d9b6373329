import keras
import numpy as np
import pytest
from hypothesis import given

from keras_fcn.layers import CaffeMaxPooling2D
from tests.golden import assert_close
from tests.keras_fcn.layers.checks import (
    EXPORTS,
    normal,
    static,
)
from tests.keras_fcn.layers.test_pooling import geometries
from tests.thorough import examples

GLOBAL = {"global_pooling": True, "return_mask": True}


def ties(*shape):
    """Few values, so that windows hold equal maxima."""
    return np.round(normal(*shape) * 2)


def mask_by_definition(x, counts, size, stride, pad):
    """Caffe's loop over one channels-last image: a cell wins if it is larger than all before."""
    mask = np.full((1, *counts, x.shape[-1]), -1.0)
    for i, j, c in np.ndindex(mask.shape[1:]):
        best = np.finfo("float32").min
        top, left = i * stride[0] - pad[0], j * stride[1] - pad[1]
        for row in range(max(top, 0), min(top + size[0], x.shape[1])):
            for column in range(max(left, 0), min(left + size[1], x.shape[2])):
                if x[0, row, column, c] > best:
                    best = x[0, row, column, c]
                    mask[0, i, j, c] = row * x.shape[2] + column
    return mask


@examples(80)
@given(geometry=geometries())
def test_any_geometry_equals_the_definition(geometry):
    sizes, *arguments = geometry
    x = ties(1, *sizes, 2)
    layer = CaffeMaxPooling2D(*arguments, return_mask=True)
    maxima, mask = layer(x)
    assert layer.compute_output_shape(x.shape) == (tuple(maxima.shape), tuple(mask.shape))
    assert_close(maxima, CaffeMaxPooling2D(*arguments)(x), 0)
    assert_close(mask, mask_by_definition(x, maxima.shape[1:3], *arguments), 0)


@pytest.mark.slow
@examples(10)
@given(geometry=geometries())
def test_one_dynamic_graph_serves_every_size(geometry):
    sizes, *arguments = geometry
    layer = CaffeMaxPooling2D(*arguments, return_mask=True)
    graph = static(layer, (None, None, None, 2))
    for more in (0, 1, 4):
        x = ties(1, sizes[0] + more, sizes[1] + 2 * more, 2)
        for actual, expected in zip(graph(x), layer(x), strict=True):
            assert_close(actual, expected, 0)


@pytest.mark.parametrize("sizes", [(3, 5), (None, None)])
def test_of_the_whole_map(sizes):
    x = ties(2, 3, 5, 4)
    maxima, mask = static(CaffeMaxPooling2D(**GLOBAL), (None, *sizes, 4))(x)
    cells = x.reshape(2, 15, 4)
    assert_close(maxima, cells.max(1)[:, None, None], 0)
    assert_close(mask, cells.argmax(1)[:, None, None], 0)


def test_the_mask_is_float32_in_every_precision():
    x = np.zeros((1, 1, 3000, 1), "float32")
    x[0, 0, 2049] = 1
    for arguments in (GLOBAL, {"pool_size": (1, 3), "strides": 3, "return_mask": True}):
        layer = CaffeMaxPooling2D(**arguments, dtype="mixed_float16")
        maxima, mask = layer(x)
        assert (maxima.dtype, mask.dtype) == ("float16", "float32")
        # float16 cannot hold this number.
        assert mask.numpy()[maxima.numpy() == 1].tolist() == [2049]
        symbolic = layer(keras.Input(x.shape[1:]))
        assert [tensor.dtype for tensor in symbolic] == ["float16", "float32"]


@EXPORTS
@pytest.mark.parametrize(
    "arguments",
    [{"pool_size": 2, "strides": 2}, {"pool_size": 3, "strides": 2, "padding": 1}, GLOBAL],
    ids=str,
)
def test_exports_run_at_any_size(export, arguments, tmp_path):
    layer = CaffeMaxPooling2D(**{**arguments, "return_mask": True})
    inputs = keras.Input((None, None, 3), name="data")
    model = keras.Model(inputs, layer(inputs)[1])
    run = export(model, tmp_path)
    for shape in [(1, 6, 7, 3), (2, 9, 4, 3)]:
        assert_close(run(ties(*shape)), model(ties(*shape)), 0)
