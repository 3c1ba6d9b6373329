import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_fcn.caffe.layers.convolution import conv_size
from keras_fcn.layers import Convolution
from tests.golden import assert_close, to_caffe_order, to_channels_last
from tests.keras_fcn.layers.checks import (
    EXPORTS,
    dynamic,
    model_of,
    normal,
    onnx_model,
)
from tests.keras_fcn.layers.windows import axes, convolved
from tests.thorough import examples


def arguments(along):
    if not along:
        return {"kernel_size": 1}
    _, kernel, stride, pad, dilation = zip(*along, strict=True)
    return {"kernel_size": kernel, "strides": stride, "padding": pad, "dilation_rate": dilation}


def with_weights(layer, shape):
    layer.build(shape)
    layer.set_weights([normal(*weight.shape, seed=1) for weight in layer.weights])
    return layer


def expected(layer, x, along):
    kernel = np.moveaxis(layer.get_weights()[0], (-1, -2), (0, 1))
    counts = [conv_size(*axis) for axis in along]
    bias = layer.get_weights()[1].reshape(-1, *[1] * len(along))
    return convolved(x, kernel, along, counts) + bias


@pytest.mark.slow
@examples(80)
@given(along=axes(), groups=st.integers(1, 2))
def test_equals_the_definition(along, groups):
    x = normal(2, 2 * groups, *(axis.size for axis in along))
    inputs = to_channels_last(x)
    layer = with_weights(Convolution(4, groups=groups, **arguments(along)), inputs.shape)
    outputs = layer(inputs)
    assert_close(to_caffe_order(outputs), expected(layer, x, along))
    assert layer.compute_output_shape(inputs.shape) == tuple(outputs.shape)


@examples(15)
@given(along=axes(most=2), axis=st.integers(0, 3))
def test_axes_before_the_channels_count_images(along, axis):
    images = (3, 2, 2)[:axis]
    x = normal(*images, 4, *(a.size for a in along))
    inputs = to_channels_last(x)
    layer = with_weights(Convolution(3, axis=axis - x.ndim, **arguments(along)), inputs.shape)
    flat = expected(layer, x.reshape(-1, *x.shape[axis:]), along)
    outputs = layer(inputs)
    assert_close(to_caffe_order(outputs), flat.reshape(*images, *flat.shape[1:]))
    assert layer.compute_output_shape(inputs.shape) == tuple(outputs.shape)


def test_one_graph_serves_every_size_too_small_ones_included():
    layer = with_weights(Convolution(3, 5, strides=3, padding=1), (None, None, None, 2))
    graph = dynamic(layer, 2)
    for size in (1, 2, 3, 9, 11):
        x = normal(1, 2, size, size + 1)
        assert_close(to_caffe_order(graph(to_channels_last(x))), layer_output(layer, x))


def layer_output(layer, x):
    return to_caffe_order(layer(to_channels_last(x)))


def test_several_inputs_share_the_kernel():
    inputs = [keras.Input((None, None, 2)), keras.Input((None, None, 2))]
    layer = Convolution(3, 3)
    outputs = layer(inputs)
    model = keras.Model(inputs, outputs)
    x, y = normal(1, 6, 7, 2), normal(2, 5, 5, 2)
    both = model([x, y])
    assert_close(both[0], layer(x), 0)
    assert_close(both[1], layer(y), 0)
    assert len(layer.weights) == 2
    assert [tuple(output.shape) for output in outputs] == [(None, None, None, 3)] * 2


@EXPORTS
@pytest.mark.parametrize(
    ("settings", "shapes"),
    [
        ({"kernel_size": 3, "strides": 2, "padding": 1}, [(1, 7, 2), (2, 12, 2)]),
        ({"kernel_size": 5, "strides": 3, "groups": 2}, [(1, 3, 3, 2), (2, 9, 12, 2)]),
        ({"kernel_size": 2, "dilation_rate": 2}, [(1, 4, 5, 6, 2)]),
    ],
    ids=str,
)
def test_exports_run_at_any_size(export, settings, shapes, tmp_path):
    model = model_of(Convolution(4, **settings), (*(None,) * (len(shapes[0]) - 2), 2))
    run = export(model, tmp_path)
    for shape in shapes:
        if export is onnx_model and min(shape[1:-1]) < settings["kernel_size"]:
            continue  # a window past the end of the map, which onnxruntime refuses
        assert_close(run(normal(*shape)), model(normal(*shape)))


@pytest.mark.parametrize(
    ("settings", "shape", "message"),
    [
        ({"kernel_size": 0}, (1, 5, 5, 2), "kernel_size must be .* at least 1.*Received: 0"),
        ({"kernel_size": ()}, (1, 5, 5, 2), r"kernel_size must be .*Received: \(\)"),
        ({"groups": 3}, (1, 5, 5, 2), "filters=4, groups=3"),
        ({"padding": (1, 1, 1)}, (1, 5, 5, 2), r"padding=\(1, 1, 1\) for 2 spatial axes"),
        ({"groups": 2}, (1, 5, 5, 3), r"multiple of groups.*\(1, 5, 5, 3\)"),
        ({}, (1, 5, 5, None), "channels must be known"),
        ({}, (1, 5, 5, 5, 5, 2), "0 to 3 spatial axes"),
        ({"axis": 4}, (1, 5, 5, 2), "axis=4 for 4 axes"),
        ({"kernel_size": 6}, (1, 5, 5, 2), r"extent 6 does not fit into 5.*\(1, 5, 5, 2\)"),
    ],
    ids=str,
)
def test_refuses(settings, shape, message):
    with pytest.raises(ValueError, match=message):
        Convolution(**{"filters": 4, "kernel_size": 3, **settings})(keras.Input(batch_shape=shape))
