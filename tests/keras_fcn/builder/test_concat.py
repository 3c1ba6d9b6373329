"""Concat, Slice and Tile beyond the reference cases."""

from __future__ import annotations

import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn import layers
from keras_fcn.caffe.layers.concat import Concat, Slice, Tile
from tests.golden import assert_close, to_caffe_order, to_channels_last
from tests.keras_fcn.layers.checks import (
    EXPORTS,
    gradients,
    model_of,
    normal,
    static,
)

SHAPE = (4, 6, 8, 10, 12)
AXES = [(rank, axis) for rank in range(1, 6) for axis in range(-rank, rank)]


@pytest.mark.sweep(3)
@pytest.mark.parametrize(("rank", "axis"), AXES)
@pytest.mark.parametrize("parts", [2, (1, 3)])
def test_slice_along_every_axis(rank, axis, parts):
    x = normal(*SHAPE[:rank])
    wanted = np.split(x, parts, axis)
    points = () if isinstance(parts, int) else parts
    shapes = Slice(axis=axis, slice_point=points).top_shapes((x.shape,), len(wanted))
    assert shapes == tuple(part.shape for part in wanted)
    layer = layers.Slice(parts, axis)
    function = static(layer, (None,) * rank)
    for part, expected in zip(function(to_channels_last(x)), wanted, strict=True):
        assert_close(to_caffe_order(part), expected, 0)


@pytest.mark.sweep(3)
@pytest.mark.parametrize(("rank", "axis"), AXES)
def test_tile_along_every_axis(rank, axis):
    x = normal(*SHAPE[:rank])
    wanted = np.concatenate([x] * 3, axis)
    assert Tile(axis=axis, tiles=3).top_shapes((x.shape,), 1) == (wanted.shape,)
    layer = layers.Tile(3, axis)
    function = static(layer, (None,) * rank)
    assert_close(to_caffe_order(function(to_channels_last(x))), wanted, 0)
    top = normal(*wanted.shape, seed=1)
    (gradient,) = gradients(layer, x, top)
    assert_close(gradient, sum(np.split(top, 3, axis)))


@pytest.mark.parametrize(
    ("params", "bottoms", "tops", "wanted"),
    [
        (Concat(), ((None, 3, None, 5), (None, 4, 6, None)), 1, ((None, 7, 6, 5),)),
        (Concat(axis=-1), ((2, 3, None), (2, 3, 4)), 1, ((2, 3, None),)),
        (Slice(), ((None, None, None),), 2, ((None, None, None),) * 2),
        (Slice(axis=2, slice_point=(3,)), ((2, 4, None),), 2, ((2, 4, 3), (2, 4, None))),
        (Tile(axis=2, tiles=2), ((2, 4, None),), 1, ((2, 4, None),)),
    ],
)
def test_sizes_not_known_pass_through(params, bottoms, tops, wanted):
    assert params.top_shapes(bottoms, tops) == wanted


@pytest.mark.parametrize(
    ("params", "bottoms", "tops", "message"),
    [
        (Concat(axis=2), ((2, 3), (2, 3)), 1, "axis: 2 is outside"),
        (Slice(axis=-3), ((2, 3),), 1, "axis: -3 is outside"),
        (Slice(slice_point=(2, 2)), ((2, 5),), 3, r"slice_point: \(2, 2\) must increase"),
        (Slice(slice_point=(0, 2)), ((2, 5),), 3, r"slice_point: \(0, 2\) must increase"),
        (Slice(slice_point=(2, 6)), ((2, 5),), 3, r"slice_point: \(2, 6\) .* a size of 5"),
        (Slice(slice_point=(1, 2)), ((2, 2),), 3, r"slice_point: \(1, 2\) .* a size of 2"),
        (Slice(slice_point=(2,)), ((2, 5),), 1, r"slice_point: \(2,\) must have 0 places"),
        (Slice(), ((2, 5),), 2, "axis: 1: a size of 5 cannot be cut into 2"),
        (Tile(axis=2, tiles=1), ((2, 3),), 1, "axis: 2 is outside"),
    ],
)
def test_what_caffe_refuses(params, bottoms, tops, message):
    with pytest.raises(convert.CaffeError, match=message):
        params.top_shapes(bottoms, tops)


def test_a_negative_number_of_tiles_is_refused():
    with pytest.raises(convert.CaffeError, match="tiles: -1"):
        Tile(tiles=-1)


NET = """
layer { name: "data" type: "Input" top: "data"
        input_param { shape { dim: 2 dim: 4 dim: 6 dim: 8 } } }
"""


def test_axis_and_its_old_name_exclude_each_other(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        NET
        + """layer { name: "s" type: "Slice" bottom: "data" top: "a" top: "b"
                     slice_param { axis: 1 slice_dim: 1 } }"""
    )
    with pytest.raises(
        convert.CaffeError, match=r"net.prototxt:4: layer 's' \(Slice\): .*slice_dim"
    ):
        convert.load_network(path)


def test_at_any_size(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(
        NET
        + """
        layer { name: "rows" type: "Slice" bottom: "data" top: "up" top: "down"
                slice_param { axis: 2 } }
        layer { name: "first" type: "Slice" bottom: "data" top: "one" top: "others"
                slice_param { axis: 3 slice_point: 1 } }
        layer { name: "again" type: "Tile" bottom: "one" top: "again"
                tile_param { axis: 3 tiles: 3 } }
        layer { name: "joined" type: "Concat" bottom: "again" bottom: "others" top: "joined"
                concat_param { axis: 3 } }
        """
    )
    model = keras_fcn.from_caffe(path)
    assert model.input_shape == (None, None, None, 4)
    x = normal(3, 4, 10, 5)
    blobs = keras_fcn.blobs(model, x)
    assert_close(blobs["up"], x[:, :, :5], 0)
    assert_close(blobs["down"], x[:, :, 5:], 0)
    assert_close(blobs["joined"], np.concatenate([x[..., :1]] * 3 + [x[..., 1:]], -1), 0)


@EXPORTS
def test_exports(export, tmp_path):
    model = model_of(layers.Tile(2, axis=2), (None, 5, 3))
    x = normal(2, 4, 5, 3)
    assert_close(export(model, tmp_path)(x), model(x), 0)
