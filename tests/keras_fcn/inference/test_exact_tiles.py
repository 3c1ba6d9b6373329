"""Tiles give what the whole image gives; where they cannot, the layer is named."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn import layers as caffe
from keras_fcn.graph.sizes import fitting_size
from keras_fcn.inference.exact_tiles import in_tiles

Conv, Max = keras.layers.Conv2D, caffe.CaffeMaxPooling2D
WAYS = [
    lambda x: Conv(3, 3, padding="same")(x),
    lambda x: Conv(3, 4, padding="valid", activation="relu")(x),
    lambda x: Conv(3, 3, strides=2, padding="same")(x),
    lambda x: Conv(3, 3, padding="same", dilation_rate=3)(x),
    lambda x: Max(3, strides=2)(x),
    lambda x: Max(3, strides=2, padding=1)(x),
    lambda x: caffe.CaffeAveragePooling2D(3, strides=3, padding=1)(x),
    lambda x: keras.layers.Conv2DTranspose(3, 5, strides=2)(x),
    lambda x: keras.layers.Cropping2D(((4, 0), (1, 2)))(x),
    lambda x: keras.layers.ZeroPadding2D(9)(x),
]


def random_network(seed):
    """Layers one after the other; around some of them unpooling, or a branch that is cropped."""
    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input((None, None, 2))
    for _ in range(3):
        x = WAYS[rng.integers(len(WAYS))](x)
    if rng.random() < 0.5:
        small, mask = Max(2, strides=2, return_mask=True)(x)
        small = Conv(small.shape[-1], 3, padding="same", activation="relu")(small)
        x = caffe.UpsampleLike()([small, mask, x])
    if rng.random() < 0.5:
        up = keras.layers.Conv2DTranspose(2, 4, strides=2)(Conv(2, 3, strides=2, padding="same")(x))
        x = keras.layers.Concatenate()([caffe.Crop(2, 1)([up, x]), x])
    return keras.Model(inputs, Conv(2, 3, padding="same")(x))


def apart(model, size, tile, seed=0):
    """How far tiles are from the whole, of the largest value; and the largest batch's pixels."""
    size = fitting_size(model, size)
    image = np.random.default_rng(seed).normal(size=(1, *size, model.inputs[0].shape[-1]))
    image, seen = image.astype(np.float32), []

    def forward(batch):
        seen.append(batch.shape[1:3])
        return np.asarray(model(batch, training=False))

    whole = forward(image)
    seen.clear()
    tiled = in_tiles(model, forward, tile)(image)
    assert tiled.shape == whole.shape
    return np.abs(tiled - whole).max() / np.abs(whole).max(), seen


def swept(seed, sizes, tiles):
    model, cut = random_network(seed), 0
    for size in sizes:
        for tile in tiles:
            try:
                far, seen = apart(model, size, tile, seed)
            except ValueError as error:
                if "smaller than what a position" not in str(error):
                    raise
                continue
            assert far <= 1e-5
            assert max(max(one) for one in seen) <= tile
            cut += len(seen) > 1
    return cut


def test_random_networks():
    assert sum(swept(seed, [(131, 173)], [112]) for seed in range(6)) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6, 50))
def test_more_random_networks(seed):
    size = [(97, 131), (151, 303), (231, 211)][seed % 3]
    assert swept(seed, [size], [48, 67, 80, 128, 200])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "size", "tile"),
    [
        (keras_fcn.LeNetFCN, (161, 203), 61),
        (keras_fcn.CaffeNetFCN, (701, 613), 500),
        (keras_fcn.SegNetBasic, (361, 480), 320),
    ],
)
def test_published_networks(make, size, tile):
    far, seen = apart(make(), size, tile)
    assert far <= 1e-5
    assert len(seen) > 1


def test_a_crop_before_padding():
    """What pads a cut map is the tile's padding, though the image's pixels are there."""
    x = inputs = keras.Input((None, None, 1))
    x = Conv(2, 3, padding="same")(keras.layers.Cropping2D(10)(x))
    assert apart(keras.Model(inputs, x), (80, 80), 40)[0] <= 1e-6


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (lambda x: x * keras.layers.GlobalAveragePooling2D(keepdims=True, name="all")(x), "'all'"),
        (caffe.MVN(name="all"), "'all'"),
        (keras.layers.Resizing(40, 40, name="all"), "'all'"),
        (keras.layers.Softmax(axis=1, name="all"), "'all'"),
        (keras.layers.Lambda(lambda x: x, name="all"), "'all'"),
        (lambda x: Max(2, 2, return_mask=True, name="all")(x)[1], "places in the whole map"),
    ],
)
def test_refused_by_name(layer, why):
    inputs = keras.Input((None, None, 2))
    model = keras.Model(inputs, layer(Conv(2, 3)(inputs)))
    with pytest.raises(ValueError, match=why):
        apart(model, (64, 64), 32)
    assert apart(model, (64, 64), 64)[0] == 0  # the whole image at once


def test_a_tile_that_is_too_small_names_one_that_is_enough():
    model = keras.Sequential([keras.Input((None, None, 2)), Conv(2, 9, dilation_rate=4)])
    with pytest.raises(ValueError, match="`tile=33` is enough"):
        apart(model, (90, 90), 32)
    assert apart(model, (90, 90), 33)[0] <= 1e-5


@pytest.mark.parametrize("tile", [0, -4, True, 1.5, "big", (3,), (32, 0)])
def test_what_is_no_tile(tile):
    model = keras.Sequential([keras.Input((None, None, 2)), Conv(2, 3)])
    with pytest.raises(ValueError, match="`tile` must be"):
        apart(model, (64, 64), tile)


def test_predict_and_segment():
    plain = keras_fcn.Preprocessing()
    image = np.random.default_rng(0).integers(0, 256, (70, 91, 3), np.uint8)
    keras.utils.set_random_seed(1)
    x = inputs = keras.Input((None, None, 3))
    x = Conv(4, 3, strides=2, padding="same")(x)
    x = keras.layers.Conv2DTranspose(4, 4, strides=2, padding="same")(x)
    model = keras.Model(inputs, keras.layers.Softmax()(x))
    whole = keras_fcn.predict(model, image, preprocessing=plain)
    for tile in (32, (40, 64), "auto"):
        found = keras_fcn.predict(model, image, preprocessing=plain, tile=tile)
        np.testing.assert_allclose(found, whole, atol=1e-5)
    labels = keras_fcn.segment(model, image, preprocessing=plain)
    np.testing.assert_array_equal(
        keras_fcn.segment(model, image, preprocessing=plain, tile=32), labels
    )


def test_a_classifier_has_no_map():
    dense = [keras.layers.Flatten(), keras.layers.Dense(4, activation="softmax")]
    model = keras.Sequential([keras.Input((8, 8, 3)), *dense])
    with pytest.raises(ValueError, match="a map"):
        keras_fcn.predict(
            model, np.zeros((8, 8, 3), np.uint8), preprocessing=keras_fcn.Preprocessing(), tile=4
        )
