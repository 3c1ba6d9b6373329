import keras
import numpy as np
import pytest

import convert
from keras_fcn.layers import GroupedConv2D, grouped_conv2d
from tests.golden import assert_close, layer_case, to_caffe_order, to_channels_last
from tests.keras_fcn.layers.checks import (
    EXPORTS,
    caffe_params,
    dynamic,
    gradients,
    model_of,
    normal,
    op_types,
    reloaded,
    static,
)


def built_from(case):
    """The layer with the case's weights, and the padding Caffe applies by itself."""
    params = caffe_params(case)
    sizes = {field: params.along(field, 2) for field in ("kernel_size", "stride", "dilation")}
    layer = GroupedConv2D(
        params.num_output,
        sizes["kernel_size"],
        strides=sizes["stride"],
        dilation_rate=sizes["dilation"],
        groups=params.group,
        use_bias=params.bias_term,
    )
    channels = case.inputs["data"].shape[1]
    layer.build((None, None, None, channels))
    (blobs,) = convert.load_weights(case.weights).values()
    layer.set_weights([weight.array() for weight in params.keras_weights(blobs, channels)])
    high, wide = params.along("pad", 2)
    return layer, [(0, 0), (high, high), (wide, wide), (0, 0)]


@pytest.mark.parametrize(
    "name",
    [
        "conv_group2",
        "conv_group3_s2_dil",
        "conv_group_mult_nonuniform",
        "conv_depthwise",
        "conv_depthwise_dilated_nobias",
        "conv_depthwise_mult2_s2",
        "conv_dilation2_p2_s2",
        "conv_k3",
    ],
)
def test_equals_caffe(name):
    case = layer_case(name)
    layer, margins = built_from(case)
    x = np.pad(to_channels_last(case.inputs["data"]), margins)
    expected = case.outputs["out"]
    assert_close(to_caffe_order(layer(x)), expected)
    assert_close(to_caffe_order(dynamic(layer, x.shape[-1])(x)), expected)
    assert layer.compute_output_shape(x.shape) == to_channels_last(expected).shape


@pytest.mark.parametrize("name", ["grad_conv_group", "grad_conv_depthwise"])
def test_gradients_equal_caffes(name):
    case = layer_case(name)
    layer, margins = built_from(case)
    padding = [(margins[axis]) for axis in (0, 3, 1, 2)]
    x = np.pad(case.inputs["data"], padding)
    grad, kernel, bias = gradients(layer, x, case.grads["top/out"])
    inside = tuple(slice(before, -after or None) for before, after in padding)
    assert_close(grad[inside], case.grads["in/data"])
    assert_close(kernel.transpose(3, 2, 0, 1), case.grads["param/layer/0"])
    assert_close(bias, case.grads["param/layer/1"])


@pytest.mark.sweep(3)
@pytest.mark.parametrize("groups", [1, 2, 3, 6])
@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"padding": "same", "strides": 2},
        {"padding": "same", "dilation_rate": 2, "activation": "relu"},
        {"strides": (2, 1), "use_bias": False},
    ],
    ids=str,
)
def test_equals_keras(groups, multiplier, arguments):
    x = normal(2, 11, 12, 6)
    theirs = keras.layers.Conv2D(6 * multiplier, (3, 2), groups=groups, **arguments)
    ours = GroupedConv2D(6 * multiplier, (3, 2), groups=groups, **arguments)
    expected = theirs(x)
    ours.build(x.shape)
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]
    ours.set_weights([normal(*w.shape, seed=1) for w in ours.weights])
    theirs.set_weights(ours.get_weights())
    expected = theirs(x)
    assert_close(ours(x), expected)
    assert ours.compute_output_shape(x.shape) == tuple(expected.shape)


@pytest.mark.parametrize("groups", [1, 2, 8])
def test_strides_with_dilation_take_every_second_position(groups):
    x = normal(1, 20, 21, 8)
    dilated = GroupedConv2D(8, 3, dilation_rate=(2, 3), groups=groups, use_bias=False)
    both = GroupedConv2D(8, 3, (2, 3), dilation_rate=(2, 3), groups=groups, use_bias=False)
    expected = np.asarray(dilated(x))[:, ::2, ::3]
    both.build(x.shape)
    both.set_weights(dilated.get_weights())
    assert_close(both(x), expected)
    assert both.compute_output_shape(x.shape) == expected.shape


def test_a_group_is_a_plain_convolution_and_channels_alone_are_depthwise():
    def convolutions(groups):
        types = op_types(static(GroupedConv2D(64, 3, groups=groups), (1, 9, 9, 64)))
        return types.count("Conv2D"), types.count("DepthwiseConv2dNative")

    assert convolutions(1) == (1, 0)
    assert convolutions(4) == (4, 0)
    assert convolutions(64) == (0, 1)


@pytest.fixture
def every_kernel_is_large(monkeypatch):
    monkeypatch.setattr(grouped_conv2d, "LARGE_KERNEL", 1)


def test_only_large_kernels_are_multiplied_as_matrices():
    def products(**arguments):
        layer = GroupedConv2D(1000, 1, **arguments)
        return op_types(static(layer, (None, None, None, 4000))).count("MatMul")

    assert products() == 1
    assert products(strides=2) == products(padding="same") == products(groups=2) == 0
    assert op_types(static(GroupedConv2D(999, 1), (1, 9, 9, 4000))).count("MatMul") == 0


@pytest.mark.usefixtures("every_kernel_is_large")
@pytest.mark.parametrize("kernel_size", [1, (3, 2), (1, 4)])
@pytest.mark.parametrize("arguments", [{}, {"dilation_rate": (2, 3)}, {"use_bias": False}], ids=str)
def test_matrix_products_equal_keras(kernel_size, arguments):
    x = normal(2, 11, 12, 6)
    theirs = keras.layers.Conv2D(8, kernel_size, **arguments)
    ours = GroupedConv2D(8, kernel_size, **arguments)
    theirs.build(x.shape)
    ours.build(x.shape)
    ours.set_weights([normal(*w.shape, seed=1) for w in ours.weights])
    theirs.set_weights(ours.get_weights())
    top = normal(*theirs(x).shape).transpose(0, 3, 1, 2)
    assert_close(ours(x), theirs(x))
    assert_close(dynamic(ours, 6)(x), theirs(x))
    expected = gradients(theirs, x.transpose(0, 3, 1, 2), top)
    for gradient, wanted in zip(
        gradients(ours, x.transpose(0, 3, 1, 2), top), expected, strict=True
    ):
        assert_close(gradient, wanted)


@pytest.mark.usefixtures("every_kernel_is_large")
def test_matrix_products_refuse_a_map_smaller_than_the_kernel():
    with pytest.raises(ValueError, match="negative"):
        GroupedConv2D(8, 6)(normal(1, 4, 9, 2))


@EXPORTS
@pytest.mark.usefixtures("every_kernel_is_large")
def test_matrix_products_export(export, tmp_path):
    model = model_of(GroupedConv2D(8, (3, 2), dilation_rate=(1, 2)), (None, None, 4))
    run = export(model, tmp_path)
    for shape in [(1, 12, 13, 4), (2, 17, 9, 4)]:
        assert_close(run(normal(*shape)), model(normal(*shape)))


@EXPORTS
@pytest.mark.parametrize(
    "arguments",
    [
        {"groups": 2, "padding": "same", "activation": "relu"},
        {"groups": 4, "strides": 2},
        {"groups": 2, "strides": 2, "dilation_rate": 2},
    ],
    ids=str,
)
def test_exports_run_at_any_size(export, arguments, tmp_path):
    model = model_of(GroupedConv2D(8, 3, **arguments), (None, None, 4))
    run = export(model, tmp_path)
    for shape in [(1, 12, 13, 4), (2, 17, 9, 4)]:
        assert_close(run(normal(*shape)), model(normal(*shape)))


@pytest.mark.parametrize("groups", [2, 4])
def test_saves_and_loads(groups, tmp_path):
    model = model_of(GroupedConv2D(8, 3, strides=2, dilation_rate=2, groups=groups), (12, 13, 4))
    again = reloaded(model, tmp_path)
    assert isinstance(again.layers[-1], GroupedConv2D)
    assert_close(again(normal(1, 12, 13, 4)), model(normal(1, 12, 13, 4)), 0)


@pytest.mark.parametrize("groups", [2, 4])
def test_mixed_precision(groups):
    x = normal(1, 9, 9, 4)
    half = GroupedConv2D(8, 3, groups=groups, dtype="mixed_float16")
    full = GroupedConv2D(8, 3, groups=groups)
    outputs = half(x)
    full.build(x.shape)
    full.set_weights(half.get_weights())
    assert outputs.dtype == "float16"
    assert half.kernel.dtype == "float32"
    assert_close(outputs, full(x), 5e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data_format": "channels_first"}, "data_format='channels_last'.*'channels_first'"),
        ({"strides": 2, "dilation_rate": 2, "padding": "same"}, "need padding='valid'.*'same'"),
        ({"strides": 0}, "strides must be an integer of at least 1.*Received: 0"),
        ({"groups": 3}, "groups=3"),
    ],
    ids=str,
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        GroupedConv2D(8, 3, **arguments)


def test_refuses_channels_that_do_not_divide():
    with pytest.raises(ValueError, match="groups=2"):
        GroupedConv2D(8, 3, groups=2).build((None, 9, 9, 5))


@pytest.mark.parametrize("strides", [(2, 1), (1, 3), (4, 2)])
def test_unequal_strides_of_a_depthwise_convolution(strides):
    x = np.random.default_rng(0).normal(size=(2, 11, 12, 4)).astype("f4")
    layer = GroupedConv2D(8, 3, strides=strides, groups=4)
    layer.build(x.shape)
    every = GroupedConv2D(8, 3, groups=4)
    every.build(x.shape)
    every.set_weights(layer.get_weights())
    expected = np.asarray(every(x))[:, :: strides[0], :: strides[1]]
    assert layer.compute_output_shape(x.shape) == expected.shape
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="padding='valid'"):
        GroupedConv2D(8, 3, strides=strides, groups=4, padding="same")
