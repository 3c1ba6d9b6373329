"""Resizing as OpenCV does it: its values for a small image, and any where it is installed."""

from __future__ import annotations

import numpy as np
import pytest

from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.resampling import resize

IMAGE = np.random.default_rng(3).integers(0, 256, (5, 7, 1), np.uint8)

# Size -> what cv2.resize of OpenCV 4.14 gives for the image.
RECORDED = {
    (3, 4): [
        [187, 200, 126, 138],
        [122, 77, 125, 142],
        [81, 78, 24, 76],
    ],
    (8, 10): [
        [248, 218, 193, 190, 201, 186, 141, 56, 121, 237],
        [149, 186, 212, 200, 213, 179, 98, 38, 100, 202],
        [29, 142, 225, 203, 226, 172, 47, 18, 76, 159],
        [116, 117, 114, 104, 190, 185, 86, 47, 102, 186],
        [135, 89, 64, 99, 148, 140, 77, 74, 133, 206],
        [87, 58, 74, 187, 100, 36, 19, 100, 170, 220],
        [68, 83, 95, 94, 98, 68, 14, 53, 86, 109],
        [57, 106, 111, 15, 99, 102, 14, 15, 18, 22],
    ],
    (2, 9): [
        [78, 181, 220, 211, 231, 106, 37, 66, 177],
        [76, 66, 103, 135, 64, 21, 62, 127, 172],
    ],
}


@pytest.mark.parametrize("size", RECORDED)
def test_recorded(size):
    found = resize(IMAGE, size, "opencv")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[..., 0], RECORDED[size])
    # More than rounding: some of the values differ from it by one.
    assert np.abs(found - resize(IMAGE, size)).max() < 1
    colours = np.stack([np.repeat(IMAGE, 3, axis=-1)] * 2)
    np.testing.assert_array_equal(
        resize(colours, size, "opencv"), np.stack([[found] * 2])[0].repeat(3, -1)
    )


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_as_opencv(channels):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    rng = np.random.default_rng(0)
    for _ in range(30):
        height, width, rows, columns = rng.integers(1, 80, 4)
        image = rng.integers(0, 256, (height, width, channels), np.uint8)
        wanted = cv2.resize(image, (int(columns), int(rows))).reshape(rows, columns, channels)
        np.testing.assert_array_equal(resize(image, (rows, columns), "opencv"), wanted)


def test_floats_are_not_rounded():
    floats = IMAGE / np.float32(255)
    np.testing.assert_array_equal(resize(floats, (3, 4), "opencv"), resize(floats, (3, 4)))


def test_preprocessing():
    own = Preprocessing(size=(3, 4), channels=1, mean=None, interpolation="opencv")
    np.testing.assert_allclose(own(IMAGE)[..., 0], RECORDED[3, 4], atol=1e-4)
    np.testing.assert_array_equal(own(IMAGE.astype(np.int64)), own(IMAGE))
    assert Preprocessing.from_config(own.to_config()).interpolation == "opencv"
