import keras
import pytest
from hypothesis import given

from keras_fcn.caffe.layers.convolution import conv_size
from keras_fcn.layers import Im2col
from tests.golden import assert_close, to_caffe_order, to_channels_last
from tests.keras_fcn.layers.checks import (
    EXPORTS,
    dynamic,
    gradients,
    model_of,
    normal,
)
from tests.keras_fcn.layers.test_convolution import arguments
from tests.keras_fcn.layers.windows import axes, columns
from tests.thorough import examples


def expected(x, along):
    counts = [conv_size(*axis) for axis in along]
    return columns(x, along, counts).reshape(len(x), -1, *counts)


@examples(60)
@given(along=axes().filter(len))
def test_equals_the_definition(along):
    x = normal(2, 3, *(axis.size for axis in along))
    inputs = to_channels_last(x)
    layer = Im2col(**arguments(along))
    outputs = layer(inputs)
    assert_close(to_caffe_order(outputs), expected(x, along), 0)
    assert layer.compute_output_shape(inputs.shape) == tuple(outputs.shape)


@examples(10)
@given(along=axes(most=2).filter(len))
def test_axes_before_the_channels_count_images(along):
    x = normal(2, 3, 2, *(axis.size for axis in along))
    outputs = Im2col(axis=2, **arguments(along))(to_channels_last(x))
    flat = expected(x.reshape(6, *x.shape[2:]), along)
    assert_close(to_caffe_order(outputs), flat.reshape(2, 3, *flat.shape[1:]), 0)


def test_the_gradient_sums_over_the_windows_a_cell_is_in():
    x = normal(1, 1, 3, 3)
    (grad,) = gradients(Im2col(2), x, normal(1, 4, 2, 2) * 0 + 1)
    assert grad[0, 0].tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]


def test_one_graph_serves_every_size():
    layer = Im2col((3, 2), 2, 1)
    graph = dynamic(layer, 3)
    for shape in [(1, 1, 3, 3), (2, 7, 8, 3)]:
        assert_close(graph(normal(*shape)), layer(normal(*shape)), 0)


@EXPORTS
def test_exports_run_at_any_size(export, tmp_path):
    model = model_of(Im2col((3, 2), 2, 1), (None, None, 3))
    run = export(model, tmp_path)
    for shape in [(1, 6, 5, 3), (2, 7, 8, 3)]:
        assert_close(run(normal(*shape)), model(normal(*shape)), 0)


def test_refuses_a_map_smaller_than_the_window():
    with pytest.raises(ValueError, match="extent 5 does not fit into 4"):
        Im2col(3, dilation_rate=2)(keras.Input((4, 4, 3)))
