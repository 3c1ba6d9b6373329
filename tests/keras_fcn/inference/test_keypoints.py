"""Parts found by their heat maps: peaks, and where they lie in the picture."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

import keras_fcn
from keras_fcn.inference.keypoints import peaks
from keras_fcn.inference.parts import BODIES
from keras_fcn.inference.tasks import find_task
from keras_fcn.preprocessing import Preprocessing

GREY = Preprocessing(channels=1, mean=None, raw_scale=1)


def bump(rows, columns, row, column, width=1.2):
    """A smooth hill."""
    down, across = np.mgrid[:rows, :columns]
    return np.exp(-((down - row) ** 2 + (across - column) ** 2) / (2 * width**2))


def test_peaks_are_found_between_positions():
    heat = bump(20, 30, 7.3, 12.8) + 0.6 * bump(20, 30, 15, 3)
    found = peaks(heat, 0.1)
    np.testing.assert_allclose(found[:, 1:], [[7.3, 12.8], [15, 3]], atol=0.05)
    assert found[0, 0] == heat[7, 13]
    assert found[1, 0] == heat[15, 3]
    assert len(peaks(heat, 0.9)) == 1


def test_every_position_is_compared_with_its_eight_neighbours():
    heat = np.random.default_rng(0).integers(0, 9, (12, 13)).astype("f4")
    around = np.pad(heat, 1, constant_values=-1)
    wanted = {
        (row, column)
        for row, column in np.ndindex(heat.shape)
        if heat[row, column] == around[row : row + 3, column : column + 3].max()
        and (around[row : row + 3, column : column + 3] == heat[row, column]).sum() == 1
    }
    found = {(round(row), round(column)) for _, row, column in peaks(heat, 0)}
    assert wanted <= found
    assert (np.diff([x[0] for x in peaks(heat, 0)]) <= 0).all()


def test_of_equal_neighbours_the_first_is_one_peak():
    heat = np.zeros((5, 6))
    heat[2, 2:5] = 1
    assert peaks(heat, 0.5).shape == (1, 3)
    assert len(peaks(np.full((3, 3), 1.0), 0.5)) == 1
    corner = np.zeros((4, 4))
    corner[0, 0] = corner[3, 3] = 1
    np.testing.assert_array_equal(peaks(corner, 0.5), [[1, 0, 0], [1, 3, 3]])


def pose(channels, stride=4, joined=True):
    """A network whose maps all show where the picture is bright, coarser by a stride."""
    image = keras.Input((None, None, 1))
    x = layers.AveragePooling2D(stride)(image)
    shares = (channels // 2, channels - channels // 2) if joined else (channels,)
    convolutions = [
        layers.Conv2D(share, 1, kernel_initializer="ones", use_bias=False) for share in shares
    ]
    maps = [convolution(x) for convolution in convolutions]
    return keras.Model(image, layers.Concatenate()(maps) if joined else maps[0])


@pytest.mark.sweep(3)
@pytest.mark.parametrize(("channels", "first"), [(44, "Head"), (57, "Nose"), (78, "Nose")])
def test_parts_of_published_bodies(channels, first):
    model = pose(channels)
    assert find_task(model).kind == "keypoints"
    image = bump(64, 80, 30, 50, 6)
    found = keras_fcn.keypoints(model, image, preprocessing=GREY)
    assert [x["label"] for x in found] == list(BODIES[channels].parts)
    assert [x["index"] for x in found] == list(range(len(found)))
    assert found[0]["label"] == first
    assert all(abs(x["x"] - 50) < 0.3 and abs(x["y"] - 30) < 0.3 for x in found)
    assert {part for x in BODIES[channels].limbs for part in x[:2]} == set(range(len(found)))


@pytest.mark.sweep(2)
@pytest.mark.parametrize("size", [None, (128, 160), (32, 40), (64, 40)])
def test_places_are_pixels_of_the_picture_at_any_size(size):
    model = pose(2, joined=False)
    image = 0.9 * bump(64, 80, 30, 50, 6) + 0.5 * bump(64, 80, 12, 20, 6)
    options = {"preprocessing": GREY, "size": size, "parts": ["ball"]}
    found = keras_fcn.keypoints(model, image, **options)
    assert [x["label"] for x in found] == ["ball", "ball"]
    places = [[x["x"], x["y"]] for x in found]
    np.testing.assert_allclose(places, [[50, 30], [20, 12]], atol=0.8)
    assert found[0]["score"] > found[1]["score"] > 0.1
    high = keras_fcn.keypoints(model, image, threshold=0.6, **options)
    assert high == found[:1]


def test_several_pictures_and_other_maps():
    model = pose(3, joined=False)
    images = [bump(32, 32, 10, 20, 5), np.zeros((16, 16)), bump(24, 32, 16, 4, 5)]
    found = keras_fcn.keypoints(model, iter(images), preprocessing=GREY)
    assert [len(x) for x in found] == [3, 0, 3]
    assert [x["label"] for x in found[0]] == ["part 0", "part 1", "part 2"]
    with pytest.raises(ValueError, match=r"parts must name 1 to 3.*Received: 4"):
        keras_fcn.keypoints(model, images, parts=[*"abcd"], preprocessing=GREY)
    vector = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(3)])
    with pytest.raises(ValueError, match=r"keypoints is for .*heat maps.*so classify is for it"):
        keras_fcn.keypoints(vector, images, preprocessing=GREY)
