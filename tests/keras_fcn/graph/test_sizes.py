from __future__ import annotations

import keras
import pytest

import keras_fcn
from keras_fcn.graph.sizes import fitting_size
from keras_fcn.preprocessing.tiles import Tiles


def halving(levels, join=keras.layers.Add):
    """Maps that are halved, enlarged again and joined with what they were."""
    x = inputs = keras.Input((None, None, 3))
    before = []
    for _ in range(levels):
        before.append(x)
        x = keras.layers.Conv2D(3, 3, strides=2, padding="same")(x)
    for old in reversed(before):
        x = join()([keras.layers.UpSampling2D(2)(x), old])
    return keras.Model(inputs, x)


@pytest.mark.parametrize("join", [keras.layers.Add, keras.layers.Concatenate])
@pytest.mark.parametrize(
    ("levels", "size", "fitting"),
    [
        (1, (7, 8), (8, 8)),
        (3, (61, 83), (64, 88)),
        (3, (64, 88), (64, 88)),
        (3, (1, 5), (8, 8)),
        (5, (33, 64), (64, 64)),
    ],
)
def test_multiples_of_a_networks_stride(join, levels, size, fitting):
    assert fitting_size(halving(levels, join), size) == fitting


def test_a_stride_of_three():
    x = inputs = keras.Input((None, None, 3))
    x = keras.layers.AveragePooling2D(3)(x)
    model = keras.Model(inputs, keras.layers.Add()([keras.layers.UpSampling2D(3)(x), inputs]))
    assert fitting_size(model, (10, 10)) == (12, 12)


@pytest.mark.slow
@pytest.mark.parametrize("make", [keras_fcn.ENet, keras_fcn.SegNetBasic])
def test_published_networks(make):
    wanted = (64, 88) if make is keras_fcn.ENet else (61, 83)
    assert fitting_size(make(), (61, 83)) == wanted


def test_what_no_pixels_mend_stays():
    """An image that is too small for windows, and a network of one size."""
    classifier = keras.Sequential([keras.Input((None, None, 1)), keras.layers.Conv2D(2, 28)])
    assert fitting_size(classifier, (12, 12)) == (12, 12)
    fixed = keras.Sequential([keras.Input((16, 16, 1)), keras.layers.Conv2D(2, 3)])
    assert fitting_size(fixed, (9, 9)) == (9, 9)


def test_a_fixed_side_stays():
    x = inputs = keras.Input((None, 10, 3))
    x = keras.layers.UpSampling2D(2)(keras.layers.MaxPooling2D(2)(x))
    model = keras.Model(inputs, keras.layers.Add()([x, inputs]))
    assert fitting_size(model, (7, 10)) == (8, 10)


def test_tiles_are_covered_by_whole_positions():
    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(2, 7, strides=4)])
    tiles = Tiles(size=(22, 22), margin=3, zoom=4)
    assert fitting_size(model, (16, 17), tiles) == (16, 20)
    assert fitting_size(model, (1, 4), tiles) == (4, 4)


PROTOTXT = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 3, 16, 16] } } }
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" top: "mask"
  pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "up" type: "Upsample" bottom: "pool" bottom: "mask" top: "up"
  upsample_param { scale: 2 } }
layer { name: "sum" type: "Eltwise" bottom: "data" bottom: "up" top: "sum" }
"""


def test_a_converted_network(tmp_path):
    (tmp_path / "net.prototxt").write_text(PROTOTXT)
    model = keras_fcn.from_caffe(tmp_path / "net.prototxt")
    assert fitting_size(model, (9, 10)) == (10, 10)
