"""Flatten, Reshape and Silence beyond the reference cases."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.caffe.layers.shape import Flatten, Reshape
from keras_fcn.layers import CaffeReshape
from tests.golden import assert_close, to_caffe_order, to_channels_last
from tests.keras_fcn.layers.checks import (
    EXPORTS,
    gradients,
    model_of,
    normal,
    reloaded,
    static,
)

SHAPE = (2, 3, 4, 5, 6)
RANGES = [
    (rank, first, last)
    for rank in range(1, 6)
    for first, last in itertools.product(range(rank), range(rank))
    if last >= first - 1
]
# Shape of the bottom, arguments, shape of the top; all in Caffe's order.
RESHAPES = [
    ((2, 3, 4, 5), {"shape": (0, -1)}, (2, 60)),
    ((2, 3, 4, 5), {"shape": (2, 5, 12)}, (2, 5, 12)),
    ((2, 3, 4, 5), {"shape": (-1,)}, (120,)),
    ((2, 3, 4, 5), {"shape": (-1, 0, 5)}, (8, 3, 5)),
    ((2, 3, 4, 5), {"shape": (3, 2), "num_axes": 2}, (3, 2, 4, 5)),
    ((2, 3, 4, 5), {"shape": (0, 0), "axis": 1, "num_axes": 2}, (2, 3, 4, 5)),
    ((2, 3, 4, 5), {"shape": (20,), "axis": 2}, (2, 3, 20)),
    ((2, 3, 4, 5), {"shape": (5, 4), "axis": -3}, (2, 3, 5, 4)),
    ((2, 12), {"shape": (0, 3, 2, 2)}, (2, 3, 2, 2)),
    ((2, 12), {"shape": (1, 1), "axis": -1}, (2, 12, 1, 1)),
    ((6,), {"shape": (1, 6)}, (1, 6)),
    ((1, 1, 1), {"shape": ()}, ()),
]


@pytest.mark.sweep(3)
@pytest.mark.parametrize(("rank", "first", "last"), RANGES)
@pytest.mark.parametrize("negative", [False, True])
def test_flatten_in_caffes_order(rank, first, last, negative):
    x = normal(*SHAPE[:rank])
    axes = {"axis": first, "end_axis": last}
    if negative:
        axes = {name: axis - rank for name, axis in axes.items()}
    params = Flatten(**axes)
    wanted = x.reshape(*x.shape[:first], -1, *x.shape[last + 1 :])
    assert params.top_shapes((x.shape,), 1) == (wanted.shape,)
    rule = params.as_reshape(rank)
    layer = CaffeReshape(rule.shape, rule.axis, rule.num_axes)
    assert_close(to_caffe_order(layer(to_channels_last(x))), wanted, 0)


@pytest.mark.parametrize(("bottom", "arguments", "top"), RESHAPES)
@pytest.mark.parametrize("known", [True, False])
def test_reshape_in_caffes_order(bottom, arguments, top, known):
    x = normal(*bottom)
    assert Reshape(**arguments).top_shapes((bottom,), 1) == (top,)
    layer = CaffeReshape(**arguments)
    shape = to_channels_last(x).shape
    function = static(layer, shape if known else (None,) * len(shape))
    assert_close(to_caffe_order(function(to_channels_last(x))), x.reshape(top), 0)
    (gradient,) = gradients(layer, x, normal(*top))
    assert_close(gradient, normal(*top).reshape(bottom), 0)


@pytest.mark.parametrize(
    ("bottom", "arguments", "top"),
    [
        ((None, 3, 4, 5), {"shape": (0, -1)}, (None, 60)),
        ((None, 3, None, 5), {"shape": (0, 3, 5, -1)}, (None, 3, 5, None)),
        ((None, 3, None, 5), {"shape": (0, 5, 0, -1)}, (None, 5, None, 3)),
        ((None, 3, None, None), {"shape": (-1,), "axis": 2}, (None, 3, None)),
        (
            (None, 6, None, None),
            {"shape": (2, -1), "axis": 1, "num_axes": 1},
            (None, 2, 3, None, None),
        ),
        ((None, 3, 4, 5), {"shape": (-1, 5)}, (None, 5)),
    ],
)
def test_sizes_not_known_pass_through(bottom, arguments, top):
    assert Reshape(**arguments).top_shapes((bottom,), 1) == (top,)
    spec = (bottom[0], *bottom[2:], bottom[1])
    wanted = (top[0], *top[2:], top[1]) if len(top) > 2 else top
    layer = CaffeReshape(**arguments)
    assert layer.compute_output_shape(spec) == wanted
    assert tuple(static(layer, spec).structured_outputs.shape) == wanted


def test_an_unknown_batch_costs_no_shape_arithmetic():
    function = static(CaffeReshape((0, 12, -1)), (None, 4, 5, 3))
    assert "Shape" not in {operation.type for operation in function.graph.get_operations()}


@pytest.mark.parametrize(
    ("params", "bottom", "message"),
    [
        ({"shape": (-2,)}, (2, 3), r"shape: \(-2,\)"),
        ({"shape": (-1, 2, -1)}, (2, 3), r"shape: \(-1, 2, -1\)"),
        ({"shape": (2, 4)}, (2, 3), r"shape: \(2, 4\) gives 8 .* \(2, 3\) has 6"),
        ({"shape": (4, -1)}, (2, 3), r"shape: \(4, -1\) gives 4 .* \(2, 3\) has 6"),
        ({"shape": (3, 2, 0)}, (2, 3), r"shape: \(3, 2, 0\) from axis 0 on has a 0"),
        ({"shape": (6,), "axis": 3}, (2, 3), "axis: 3 is outside"),
        ({"shape": (6,), "axis": -4}, (2, 3), "axis: -4 is outside"),
        ({"shape": (6,), "num_axes": 3}, (2, 3), "num_axes: 3 from axis 0 on"),
        ({"shape": (6,), "num_axes": -2}, (2, 3), "num_axes: -2"),
    ],
)
def test_what_caffe_refuses(params, bottom, message):
    with pytest.raises(convert.CaffeError, match=message):
        Reshape(**params).top_shapes((bottom,), 1)
    with pytest.raises(ValueError, match=message):
        CaffeReshape(**params).compute_output_shape(bottom)


def test_flatten_refuses_an_end_before_its_start():
    with pytest.raises(convert.CaffeError, match="end_axis: 0 comes before axis: 2"):
        Flatten(axis=2, end_axis=0).top_shapes(((2, 3, 4),), 1)


@EXPORTS
def test_exports(export, tmp_path):
    model = model_of(CaffeReshape((0, 6, -1)), (4, 5, 3))
    x = normal(7, 4, 5, 3)
    assert_close(export(model, tmp_path)(x), model(x), 0)


# Networks

NET = """
layer { name: "data" type: "Input" top: "data"
        input_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 } } }
"""


def build(tmp_path, text):
    path = tmp_path / "net.prototxt"
    path.write_text(NET + text)
    return keras_fcn.from_caffe(path)


def test_a_repeated_batch_size_means_any(tmp_path):
    model = build(
        tmp_path,
        """
        layer { name: "a" type: "Reshape" bottom: "data" top: "a"
                reshape_param { shape { dim: 2 dim: 6 dim: 8 } } }
        layer { name: "b" type: "Reshape" bottom: "a" top: "b"
                reshape_param { shape { dim: 2 dim: -1 } } }
        """,
    )
    x = normal(5, 3, 4, 4)
    blobs = keras_fcn.blobs(model, x)
    assert_close(blobs["a"], x.reshape(5, 6, 8), 0)
    assert_close(blobs["b"], x.reshape(5, 48), 0)
    assert model.predict(to_channels_last(normal(40, 3, 4, 4)), verbose=0).shape == (40, 48)


def test_another_first_size_holds(tmp_path):
    text = """
        layer { name: "a" type: "Reshape" bottom: "data" top: "a"
                reshape_param { shape { dim: 6 dim: 16 } } }
    """
    model = build(tmp_path, text)
    x = normal(2, 3, 4, 4)
    assert_close(keras_fcn.blobs(model, x)["a"], x.reshape(6, 16), 0)
    with pytest.raises(ValueError, match=r"shape: \(6, 16\) gives 96 elements"):
        keras_fcn.blobs(model, normal(4, 3, 4, 4))


@pytest.mark.parametrize(
    ("shape", "axis", "bottom", "sizes"),
    [
        ((2, 6), 0, (2, 3, 2), (0, 6)),
        ((3, 4), 0, (2, 3, 2), (3, 4)),
        ((2, 3), 1, (2, 3, 2), (2, 3)),
        ((2, 6), -4, (2, 3, 2), (0, 6)),
        ((2, 6), 0, (None, 3, 2), (2, 6)),
        ((), 0, (1,), ()),
    ],
)
def test_which_first_sizes_repeat_the_batch(shape, axis, bottom, sizes):
    assert Reshape(shape=shape, axis=axis).sizes(bottom) == sizes


def test_flatten_and_reshape_at_any_size(tmp_path):
    model = build(
        tmp_path,
        """
        layer { name: "f" type: "Flatten" bottom: "data" top: "f" flatten_param { axis: 2 } }
        layer { name: "r" type: "Reshape" bottom: "data" top: "r"
                reshape_param { shape { dim: 0 dim: 0 dim: -1 dim: 2 } } }
        """,
    )
    assert model.input_shape == (None, None, None, 3)
    x = normal(3, 3, 6, 8)
    blobs = keras_fcn.blobs(model, x)
    assert_close(blobs["f"], x.reshape(3, 3, 48), 0)
    assert_close(blobs["r"], x.reshape(3, 3, 24, 2), 0)


def test_what_only_a_silence_reads_is_left_out(tmp_path):
    model = build(
        tmp_path,
        """
        layer { name: "c" type: "Convolution" bottom: "data" top: "c" param { lr_mult: 0 }
                convolution_param { num_output: 2 kernel_size: 1 } }
        layer { name: "cr" type: "ReLU" bottom: "c" top: "cr" }
        layer { name: "quiet" type: "Silence" bottom: "cr" }
        layer { name: "r" type: "ReLU" bottom: "data" top: "r" }
        """,
    )
    assert [layer.name for layer in model.layers] == ["data", "r"]
    model = reloaded(model, tmp_path)
    assert list(keras_fcn.blobs(model, normal(1, 3, 4, 4))) == ["data", "r"]


def test_a_network_that_silences_everything_is_refused(tmp_path):
    with pytest.raises(convert.CaffeError, match=r"net.prototxt: the network has no outputs"):
        build(tmp_path, 'layer { name: "quiet" type: "Silence" bottom: "data" }')


def test_inputs_named_as_layers_are_told_apart(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text("""
        layer { name: "in" type: "Input" top: "x" top: "y" input_param { shape { dim: 2 dim: 3 } } }
        layer { name: "x" type: "ReLU" bottom: "x" top: "p" }
        layer { name: "y" type: "ReLU" bottom: "y" top: "q" }
    """)
    x, y = normal(2, 3), normal(2, 3, seed=1)
    blobs = keras_fcn.blobs(keras_fcn.from_caffe(path), {"x": x, "y": y})
    assert_close(blobs["p"], np.maximum(x, 0))
    assert_close(blobs["q"], np.maximum(y, 0))
