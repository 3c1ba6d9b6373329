import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_fcn.layers import Deconvolution
from keras_fcn.layers.initializers import Bilinear
from tests.golden import (
    assert_close,
    layer_case,
    layer_case_names,
    to_caffe_order,
    to_channels_last,
)
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
from tests.keras_fcn.layers.test_convolution import arguments, with_weights
from tests.keras_fcn.layers.windows import axes, deconvolved
from tests.thorough import examples

BILINEAR = {"kernel_size": 4, "strides": 2, "padding": 1, "use_bias": False}


def expected(layer, x, along):
    kernel = np.moveaxis(layer.get_weights()[0], (-1, -2), (0, 1))
    outputs = deconvolved(x, kernel, along, layer.groups)
    return outputs + layer.get_weights()[1].reshape(-1, *[1] * len(along))


@pytest.mark.slow
@examples(120)
@given(
    along=axes(deconvolution=True),
    groups=st.sampled_from([(2, 1, 3), (4, 2, 6), (3, 3, 3), (2, 2, 4), (1, 1, 2)]),
)
def test_equals_the_definition(along, groups):
    channels, count, filters = groups
    x = normal(2, channels, *(axis.size for axis in along))
    inputs = to_channels_last(x)
    layer = with_weights(Deconvolution(filters, groups=count, **arguments(along)), inputs.shape)
    outputs = layer(inputs)
    assert_close(to_caffe_order(outputs), expected(layer, x, along))
    assert layer.compute_output_shape(inputs.shape) == tuple(outputs.shape)


@examples(10)
@given(along=axes(most=2, deconvolution=True), axis=st.integers(0, 3))
def test_axes_before_the_channels_count_images(along, axis):
    images = (3, 2, 2)[:axis]
    x = normal(*images, 4, *(a.size for a in along))
    inputs = to_channels_last(x)
    layer = with_weights(Deconvolution(3, axis=axis - x.ndim, **arguments(along)), inputs.shape)
    flat = expected(layer, x.reshape(-1, *x.shape[axis:]), along)
    assert_close(to_caffe_order(layer(inputs)), flat.reshape(*images, *flat.shape[1:]))


# Channel by channel; all channels, far and near; two groups.
WAYS = [
    {"groups": 4, "kernel_size": 7, "strides": 4, "padding": 2},
    {"groups": 1, "kernel_size": 9, "strides": (4, 5)},
    {"groups": 1, "kernel_size": 3, "strides": 2, "padding": 1},
    {"groups": 2, "kernel_size": (2, 3), "strides": (3, 1), "dilation_rate": 2},
]
EACH_WAY = pytest.mark.parametrize("way", WAYS, ids=str)


@EACH_WAY
def test_one_graph_serves_every_size(way):
    layer = with_weights(Deconvolution(4, **way), (None, None, None, 4))
    graph = dynamic(layer, 4)
    for shape in [(1, 2, 3, 4), (2, 7, 5, 4)]:
        assert_close(graph(normal(*shape)), layer(normal(*shape)), 1e-6)


@EACH_WAY
@EXPORTS
def test_exports_run_at_any_size(export, way, tmp_path):
    model = model_of(Deconvolution(4, **way), (None, None, 4))
    run = export(model, tmp_path)
    for shape in [(1, 2, 3, 4), (2, 7, 5, 4)]:
        assert_close(run(normal(*shape)), model(normal(*shape)))


@EACH_WAY
def test_gradients_are_those_of_the_definition(way):
    layer = with_weights(Deconvolution(4, **way), (None, None, None, 4))
    x = normal(1, 4, 3, 2)
    top = normal(*to_caffe_order(layer(to_channels_last(x))).shape, seed=2)
    grad, kernel, bias = gradients(layer, x, top)

    def linear(x, kernel):
        """The output without a bias; linear in both arguments."""
        layer.set_weights([kernel, np.zeros(4, "float32")])
        return to_caffe_order(layer(to_channels_last(x)))

    weights = layer.get_weights()[0]
    for _ in range(3):
        step = normal(*x.shape, seed=3)
        assert_close(np.vdot(grad, step), np.vdot(top, linear(step, weights)), 1e-4)
        step = normal(*weights.shape, seed=4)
        assert_close(np.vdot(kernel, step), np.vdot(top, linear(x, step)), 1e-4)
    assert_close(bias, top.sum((0, 2, 3)))


def test_channels_by_themselves_cost_no_more_than_their_taps():
    layer = Deconvolution(21, 64, strides=32, groups=21)
    types = op_types(static(layer, (None, None, None, 21)))
    assert types.count("DepthwiseConv2dNative") == 32
    assert not {"Conv2D", "Conv2DBackpropInput"} & set(types)


@pytest.mark.parametrize("name", layer_case_names("deconv_bilinear_x*"))
def test_bilinear_upsampling(name):
    case = layer_case(name)
    params = caffe_params(case)
    layer = Deconvolution(
        params.num_output,
        params.kernel_size,
        params.stride,
        params.pad,
        groups=params.group,
        use_bias=False,
        kernel_initializer=Bilinear(),
    )
    outputs = layer(to_channels_last(case.inputs["data"]))
    assert_close(to_caffe_order(outputs), case.outputs["out"])


def test_bilinear_refuses_what_is_not_square():
    with pytest.raises(ValueError, match=r"square.*\(4, 2, 1, 3\)"):
        Bilinear()((4, 2, 1, 3))


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_saves_and_loads(groups, tmp_path):
    layer = Deconvolution(4, groups=groups, kernel_initializer=Bilinear(), **BILINEAR)
    model = model_of(layer, (None, None, 4))
    again = reloaded(model, tmp_path)
    assert isinstance(again.layers[-1].kernel_initializer, Bilinear)
    assert_close(again(normal(1, 5, 6, 4)), model(normal(1, 5, 6, 4)), 0)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_mixed_precision(groups):
    x = normal(1, 5, 6, 4)
    half = Deconvolution(4, groups=groups, dtype="mixed_float16", **BILINEAR)
    full = Deconvolution(4, groups=groups, **BILINEAR)
    outputs = half(x)
    full.build(x.shape)
    full.set_weights(half.get_weights())
    assert outputs.dtype == "float16"
    assert_close(outputs, full(x), 5e-3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"padding": 3}, r"pad: 3 .*leaves nothing of 6.*\(1, 4, 4, 2\)"),
        ({"groups": 3}, "filters=4, groups=3"),
        ({"groups": 4}, "groups=4"),
    ],
    ids=str,
)
def test_refuses(settings, message):
    with pytest.raises(ValueError, match=message):
        Deconvolution(4, 3, **settings)(keras.Input(batch_shape=(1, 4, 4, 2)))
