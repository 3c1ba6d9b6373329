"""OpenCV's ways to resize."""

from __future__ import annotations

import numpy as np
import pytest

from keras_fcn.preprocessing.opencv_resizing import WAYS, resize_as

SIZES = [(37, 53), (50, 200), (120, 90), (81, 140)]
NEW = 80, 70


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", SIZES)
def test_values_of_opencv(way, size):
    cv2 = pytest.importorskip("cv2", reason="pip install --group bench")
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    expected = cv2.resize(image, NEW[::-1], interpolation=getattr(cv2, f"INTER_{way}"))
    difference = np.abs(resize_as(way, image, NEW).astype(int) - expected)
    assert difference.max() <= (0 if way in ("LINEAR", "NEAREST") else 1)


@pytest.mark.parametrize("way", WAYS)
def test_an_even_picture_stays_even(way):
    image = np.full((9, 14, 3), 77, np.uint8)
    for size in ((4, 5), (20, 31), (4, 31)):
        found = resize_as(way, image, size)
        assert found.shape == (*size, 3)
        assert (found == 77).all()


def test_area_is_the_mean_and_cubic_meets_what_is_known():
    image = np.arange(16, dtype=np.uint8).reshape(4, 4, 1) * 10
    assert resize_as("AREA", image, (2, 2))[..., 0].tolist() == [[25, 45], [105, 125]]
    assert (resize_as("CUBIC", image, (4, 4)) == image).all()
    line = np.array([0, 0, 100, 100], np.uint8).reshape(1, 4, 1)
    found = resize_as("CUBIC", line, (1, 8))[0, :, 0].tolist()
    # w(0.75) + w(1.75) = 0.2617 - 0.0352, and 1 - w(1.25) = 1 + 0.1055
    assert (found[3], found[5]) == (23, 111)
