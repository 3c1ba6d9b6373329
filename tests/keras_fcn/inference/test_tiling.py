"""DilatedNet's procedure against its definition, written out pixel by pixel."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.core.card import Card
from keras_fcn.core.model import CaffeSequential
from keras_fcn.inference.prediction import model_tiles
from keras_fcn.inference.tiling import Tiles, predict_tiles
from keras_fcn.preprocessing import Preprocessing

CLASSES = 3


def mirrored(index, length):
    """Reflection about the outermost pixels, which stand once: gfedcb|abcdefgh|gfedcba."""
    while not 0 <= index < length:
        if length == 1:
            return 0
        index = -index if index < 0 else 2 * (length - 1) - index
    return index


def with_border(image, top, bottom, left, right):
    rows = [mirrored(i, image.shape[0]) for i in range(-top, image.shape[0] + bottom)]
    columns = [mirrored(j, image.shape[1]) for j in range(-left, image.shape[1] + right)]
    return image[rows][:, columns]


def enlarged(prob, zoom, height, width):
    """prob is (classes, rows, columns); one past the last cell, its last cell."""
    result = np.zeros((prob.shape[0], height, width))
    for row in range(height):
        for column in range(width):
            top, left = row // zoom, column // zoom
            bottom = min(top + 1, prob.shape[1] - 1)
            right = min(left + 1, prob.shape[2] - 1)
            down, across = row / zoom - top, column / zoom - left
            near = down * prob[:, bottom, left] + (1 - down) * prob[:, top, left]
            far = down * prob[:, bottom, right] + (1 - down) * prob[:, top, right]
            result[:, row, column] = (1 - across) * near + across * far
    return result


def published_procedure(forward, image, size, margin, zoom):
    """The definition: image (H, W, C), prepared; forward: (C, h, w) -> (classes, rows, columns)."""
    height, width = image.shape[:2]
    step = size[0] - 2 * margin, size[1] - 2 * margin
    bordered = with_border(image, margin, margin, margin, margin)
    down = height // step[0] + (1 if height % step[0] else 0)
    across = width // step[1] + (1 if width % step[1] else 0)
    rows = []
    for i in range(down):
        row = []
        for j in range(across):
            tile = bordered[
                step[0] * i : step[0] * i + size[0], step[1] * j : step[1] * j + size[1]
            ]
            tile = with_border(tile, 0, size[0] - tile.shape[0], 0, size[1] - tile.shape[1])
            row.append(forward(tile.transpose(2, 0, 1)))
        rows.append(np.concatenate(row, axis=2))
    prob = np.concatenate(rows, axis=1)
    if zoom == 1:
        return prob[:, :height, :width].transpose(1, 2, 0)
    return enlarged(prob, zoom, height, width).transpose(1, 2, 0)


def stand_in(margin, zoom):
    """A network that sees its margin: a window of 2 margin + 1 pixels, every zoom pixels."""
    side = 2 * margin + 1
    model = CaffeSequential(
        [
            keras.layers.Input((None, None, 3), name="data"),
            keras.layers.Conv2D(CLASSES, side, strides=zoom, name="score"),
            keras.layers.Softmax(name="prob"),
        ],
        name="stand_in",
    )
    random = np.random.default_rng(0)
    kernel, bias = model.get_weights()
    model.set_weights(
        [random.normal(0, 1 / side, kernel.shape), random.normal(0, 1 / side, bias.shape)]
    )
    return model


def by_hand(model, tile):
    """The stand-in's forward pass for one tile, in float64 and in Caffe's order."""
    kernel, bias = (np.asarray(array, np.float64) for array in model.get_weights())
    side, zoom = kernel.shape[0], model.get_layer("score").strides[0]
    windows = np.lib.stride_tricks.sliding_window_view(tile, (side, side), axis=(1, 2))
    windows = windows[:, ::zoom, ::zoom]
    scores = np.einsum("crsij,ijck->krs", windows, kernel) + bias[:, np.newaxis, np.newaxis]
    exponentials = np.exp(scores - scores.max(axis=0))
    return exponentials / exponentials.sum(axis=0)


SIZES = [(8, 12), (16, 24), (20, 30), (17, 25), (1, 1), (2, 40), (3, 2), (33, 5)]


@pytest.mark.sweep(3)
@pytest.mark.parametrize("zoom", [1, 2, 4])
@pytest.mark.parametrize("size", SIZES)
def test_tiles_as_defined(size, zoom):
    margin = 3
    tiles = Tiles(size=(8 + 2 * margin, 12 + 2 * margin), margin=margin, zoom=zoom)
    model = stand_in(margin, zoom)
    image = np.random.default_rng(1).normal(size=(*size, 3)).astype(np.float32)
    found = predict_tiles(lambda batch: model.predict(batch, verbose=0), image, tiles)
    expected = published_procedure(
        lambda tile: by_hand(model, tile), image, tiles.size, margin, zoom
    )
    assert found.shape == (*size, CLASSES)
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_a_map_of_another_length_than_its_tile_is_set_beside_the_next():
    """KITTI's network gives 159 cells for 1268 pixels, which are 158.5 times 8."""
    tiles = Tiles(size=(20, 22), margin=4, zoom=4)
    assert tiles.step == (12, 14)

    def forward(batch):  # 3 x 4 cells, which are pixels of the tile
        return batch[:, 4:16:4, 4:20:4]

    image = np.random.default_rng(2).normal(size=(24, 40, 2))
    found = predict_tiles(forward, image, tiles)
    expected = published_procedure(
        lambda tile: forward(tile.transpose(1, 2, 0)[np.newaxis])[0].transpose(2, 0, 1),
        image,
        (20, 22),
        4,
        4,
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("size", "margin", "zoom"), [((8, 30), 4, 1), ((30, 8), 4, 1), ((9, 9), -1, 1), ((9, 9), 1, 0)]
)
def test_tiles_refuse(size, margin, zoom):
    with pytest.raises(ValueError, match="Received"):
        Tiles(size, margin, zoom)


def test_predict_cuts_into_the_models_tiles(tmp_path):
    """Mean and channel order first, then the border, as the authors do it; also after saving."""
    model = stand_in(3, 2)
    own = Preprocessing(mean=(10.0, 20.0, 30.0), input_scale=0.01)
    tiles = Tiles(size=(14, 18), margin=3, zoom=2)
    model.card = Card("stand_in", preprocessing=own, tiles=tiles)
    image = np.random.default_rng(3).integers(0, 256, (21, 30, 3), dtype=np.uint8)
    expected = published_procedure(
        lambda tile: by_hand(model, tile),
        0.01 * (image[..., ::-1] - np.float64([10, 20, 30])),
        (14, 18),
        3,
        2,
    )
    model.save(tmp_path / "model.keras")
    for each in (model, keras.models.load_model(tmp_path / "model.keras")):
        assert model_tiles(each) == tiles
        np.testing.assert_allclose(keras_fcn.predict(each, image), expected, atol=1e-5)
