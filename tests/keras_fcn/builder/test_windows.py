"""Convolution, Deconvolution, Im2col, Pooling, SPP, Crop and Slice beyond Caffe's own cases."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import keras_fcn
from keras_fcn import layers
from keras_fcn.builder import build_model
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.net.assembly import load_network
from tests.golden import assert_close
from tests.keras_fcn.layers.checks import normal
from tests.keras_fcn.layers.windows import axes
from tests.thorough import examples

BILINEAR = 'kernel_h: 2 kernel_w: 4 weight_filler { type: "bilinear" }'

PADDED = "kernel_size: 2 pad: 3"


def shape_text(shape):
    return " ".join(f"dim: {size}" for size in shape)


def net(folder, layer, *shapes):
    """A network of inputs ``x0``, ``x1``, ... and one layer that makes ``y0``, ``y1``, ..."""
    inputs = "".join(
        f'layer {{ name: "x{i}" type: "Input" top: "x{i}" '
        f"input_param {{ shape {{ {shape_text(shape)} }} }} }}\n"
        for i, shape in enumerate(shapes)
    )
    bottoms = "".join(f' bottom: "x{i}"' for i in range(len(shapes)))
    path = folder / "net.prototxt"
    path.write_text(f'{inputs}layer {{ name: "l" {layer} {bottoms} }}')
    return load_network(path)


def assert_shapes(network):
    """Caffe's shapes, those that Keras foretells, and those that it makes are one."""
    model = build_model(network)
    fed = {blob.name: np.zeros(blob.shape, "float32") for blob in network.inputs}
    made = keras_fcn.blobs(model, fed)
    for top in network.layers[-1].tops:
        assert made[top.name].shape == top.shape
    for symbolic, blob in zip(model.outputs, network.outputs, strict=True):
        foretold = symbolic.shape
        if len(foretold) > 2:
            foretold = (foretold[0], foretold[-1], *foretold[1:-1])
        assert len(foretold) == len(blob.shape)
        assert all(a in (None, b) for a, b in zip(foretold, blob.shape, strict=True))


def repeated(field, sizes):
    return "".join(f" {field}: {size}" for size in sizes)


def window_fields(along):
    if not along:
        return "kernel_size: 3"
    _, *fields = zip(*along, strict=True)
    names = ("kernel_size", "stride", "pad", "dilation")
    return "".join(map(repeated, names, fields))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("nets")


@examples(40)
@given(
    along=axes(),
    group=st.integers(1, 2),
    axis=st.sampled_from([1, 1, 2]),
    bottoms=st.integers(1, 2),
)
def test_convolutions_have_caffes_shape(folder, along, group, axis, bottoms):
    assert_windowed(folder, "Convolution", along, group, axis, bottoms)


@examples(40)
@given(
    along=axes(deconvolution=True),
    group=st.sampled_from([1, 2, 4]),
    axis=st.sampled_from([1, 1, 2]),
    bottoms=st.integers(1, 2),
)
def test_deconvolutions_have_caffes_shape(folder, along, group, axis, bottoms):
    assert_windowed(folder, "Deconvolution", along, group, axis, bottoms)


def assert_windowed(folder, kind, along, group, axis, bottoms):
    shape = (*(2, 3)[:axis], 4, *(a.size for a in along))
    tops = "".join(f' top: "y{i}"' for i in range(bottoms))
    fields = f"num_output: 4 group: {group} axis: {axis} {window_fields(along)}"
    text = f'type: "{kind}" {tops} convolution_param {{ {fields} }}'
    network = net(folder, text, *[shape] * bottoms)
    assert_shapes(network)
    assert_round_trip(network.layers[-1])


def assert_round_trip(layer):
    """Caffe's blobs come back from Keras' weights."""
    blobs = [normal(*shape) for shape in layer.weight_shapes]
    weights = layer.params.keras_weights(blobs, None)
    for blob, again in zip(
        blobs, layer.params.caffe_blobs([w.array() for w in weights], None), strict=True
    ):
        np.testing.assert_array_equal(blob, again)


@examples(25)
@given(along=axes().filter(len))
def test_im2col_has_caffes_shape(folder, along):
    shape = (2, 3, *(a.size for a in along))
    text = f'type: "Im2col" top: "y" convolution_param {{ {window_fields(along)} }}'
    assert_shapes(net(folder, text, shape))


@examples(40)
@given(
    along=st.tuples(*(st.tuples(*(st.integers(1, n) for n in (6, 5, 5))) for _ in "hw")),
    method=st.sampled_from(["MAX", "AVE", "STOCHASTIC"]),
    round_mode=st.sampled_from(["CEIL", "FLOOR"]),
    pads=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    mask=st.booleans(),
)
def test_poolings_have_caffes_shape(folder, along, method, round_mode, pads, mask):
    fields = f"pool: {method} round_mode: {round_mode}"
    for side, (_, kernel, stride), pad in zip("hw", along, pads, strict=True):
        pad = 0 if method == "STOCHASTIC" else min(pad, kernel - 1)
        fields += f" kernel_{side}: {kernel} stride_{side}: {stride} pad_{side}: {pad}"
    tops = 'top: "y" top: "mask"' if mask and method == "MAX" else 'top: "y"'
    shape = (2, 3, *(more + kernel for more, kernel, _ in along))
    assert_shapes(net(folder, f'type: "Pooling" {tops} pooling_param {{ {fields} }}', shape))


@examples(40)
@given(
    sizes=st.lists(st.tuples(*(st.integers(0, n) for n in (3, 3, 2))), min_size=1, max_size=5),
    data=st.data(),
)
def test_crops_have_caffes_shape(folder, sizes, data):
    axis = data.draw(st.integers(0, len(sizes) - 1))
    reference = [wanted + 1 for wanted, _, _ in sizes]
    shape = [wanted + 1 + offset + room for wanted, offset, room in sizes]
    offsets = [offset for _, offset, _ in sizes[axis:]]
    text = f'type: "Crop" top: "y" crop_param {{ axis: {axis} {repeated("offset", offsets)} }}'
    assert_shapes(net(folder, text, shape, reference))


@examples(40)
@given(
    parts=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    others=st.lists(st.integers(1, 4), max_size=3),
    data=st.data(),
)
def test_slices_have_caffes_shape(folder, parts, others, data):
    axis = data.draw(st.integers(0, len(others)))
    shape = [*others[:axis], sum(parts), *others[axis:]]
    points = [sum(parts[:i]) for i in range(1, len(parts))]
    tops = "".join(f' top: "y{i}"' for i in range(len(parts)))
    fields = f"axis: {axis} {repeated('slice_point', points)}"
    network = net(folder, f'type: "Slice" {tops} slice_param {{ {fields} }}', shape)
    assert [top.shape[axis] for top in network.layers[-1].tops] == parts
    assert_shapes(network)


@pytest.mark.parametrize(
    ("shape", "fields", "expected"),
    [
        ((2, 3, 9, 9), "kernel_size: 3", keras.layers.Conv2D),
        ((2, 3, 9, 9), "kernel_size: 3 pad: 1 stride: 2", keras.layers.Conv2D),
        ((2, 4, 9, 9), "kernel_size: 3 group: 2", layers.GroupedConv2D),
        ((2, 3, 9, 9), "kernel_size: 3 stride: 2 dilation: 2", layers.GroupedConv2D),
        ((2, 3), "kernel_size: 3", keras.layers.Dense),
        ((2, 3, 9), "kernel_size: 3 pad: 1", keras.layers.Conv1D),
        ((2, 3, 9), "kernel_size: 3 pad: 2", layers.Convolution),
        ((2, 3, 9, 9, 9), "kernel_size: 3 stride: 2", keras.layers.Conv3D),
        ((2, 4, 9, 9, 9), "kernel_size: 3 group: 2", layers.Convolution),
        ((2, 3, 3, 9), "kernel_size: 4 stride: 2", layers.Convolution),
        ((2, 4, 3, 9, 9), "kernel_size: 3 axis: 2", layers.Convolution),
    ],
    ids=str,
)
def test_keras_own_layers_are_used_where_they_can_be(tmp_path, shape, fields, expected):
    text = f'type: "Convolution" top: "y" convolution_param {{ num_output: 4 {fields} }}'
    model = build_model(net(tmp_path, text, shape))
    assert type(model.get_layer("l")) is expected


@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution"])
def test_images_can_be_the_channels(tmp_path, kind):
    text = f'type: "{kind}" top: "y" convolution_param {{ num_output: 4 kernel_size: 2 axis: 0 }}'
    assert_shapes(net(tmp_path, text, (3, 5, 6)))


def test_a_deconvolution_can_share_the_kernel_of_a_convolution(tmp_path):
    shared = 'param { name: "w" } convolution_param { bias_term: false kernel_size: 3'
    path = tmp_path / "net.prototxt"
    path.write_text(f"""
        layer {{ name: "x" type: "Input" top: "x"
                input_param {{ shape {{ {shape_text((1, 2, 5, 6))} }} }} }}
        layer {{ name: "down" type: "Convolution" bottom: "x" top: "y" {shared} num_output: 4 }} }}
        layer {{ name: "up" type: "Deconvolution" bottom: "y" top: "z" {shared} num_output: 2 }} }}
    """)
    model = build_model(load_network(path))
    kernel = normal(3, 3, 2, 4)
    model.get_layer("down").set_weights([kernel])
    x = normal(1, 5, 6, 2)
    expected = keras.ops.conv_transpose(keras.ops.conv(x, kernel), kernel)
    assert_close(model(x), expected)


@pytest.mark.slow
def test_a_stochastic_network_draws_while_it_trains(tmp_path):
    text = 'type: "Pooling" top: "y" pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 }'
    model = build_model(net(tmp_path, text, (1, 1, 2, 2)))
    x = np.float32([1, 3, 4, 2]).reshape(1, 2, 2, 1)
    assert_close(model(x), np.full((1, 1, 1, 1), 3.0))
    assert {float(model(x, training=True)[0, 0, 0, 0]) for _ in range(50)} == {1, 2, 3, 4}


@pytest.mark.parametrize(
    ("text", "shapes", "message"),
    [
        (
            'type: "Pooling" top: "y" pooling_param { pool: STOCHASTIC kernel_size: 2 pad: 1 }',
            [(1, 1, 4, 4)],
            r"'l' \(Pooling\): pad: \(1, 1\) must be 0",
        ),
        (
            'type: "Pooling" top: "y" top: "m" pooling_param { pool: AVE kernel_size: 2 }',
            [(1, 1, 4, 4)],
            r"'l' \(Pooling\): has 2 tops, but pool: AVE",
        ),
        (
            'type: "SPP" top: "y" spp_param { pyramid_height: 0 }',
            [(1, 1, 4, 4)],
            r"'l' \(SPP\): pyramid_height: 0",
        ),
        (
            'type: "SPP" top: "y" spp_param { pyramid_height: 2 pool: STOCHASTIC }',
            [(1, 1, 4, 4)],
            r"'l' \(SPP\): pool: STOCHASTIC is not built",
        ),
        (
            'type: "Crop" top: "y" crop_param { offset: 1 offset: 1 offset: 1 }',
            [(1, 1, 4, 4), (1, 1, 2, 2)],
            r"'l' \(Crop\): offset: \(1, 1, 1\)",
        ),
        (
            'type: "Crop" top: "y"',
            [(1, 1, 4, 4), (1, 1, 2)],
            r"'l' \(Crop\): axis: 2: .* \(1, 1, 2\)",
        ),
        (
            'type: "Im2col" top: "y" convolution_param { kernel_size: 2 axis: 3 }',
            [(1, 1, 4, 4)],
            r"'l' \(Im2col\): needs a bottom with 5 ",
        ),
        (
            f'type: "Deconvolution" top: "y" convolution_param {{ num_output: 3 {PADDED} }}',
            [(1, 1, 4, 4)],
            r"'l' \(Deconvolution\): pad: 3",
        ),
        (
            f'type: "Deconvolution" top: "y" convolution_param {{ num_output: 3 {BILINEAR} }}',
            [(1, 3, 4, 4)],
            r"'l' \(Deconvolution\): kernel_size: \(2, 4\) must be square",
        ),
        (
            'type: "Convolution" top: "y" convolution_param { num_output: 3 kernel_size: 2 }',
            [(1, 3, 4, 4, 4, 4)],
            r"'l' \(Convolution\): .*0 to 3 spatial axes",
        ),
    ],
)
def test_refuses(tmp_path, text, shapes, message):
    with pytest.raises(CaffeError, match=message):
        build_model(net(tmp_path, text, *shapes))
