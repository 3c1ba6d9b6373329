"""HSV and scaled pixels against OpenCV."""

from __future__ import annotations

import numpy as np
import pytest

from keras_fcn.preprocessing.opencv_colors import bgr_of, hsv_of, scaled

# What OpenCV 4.14 gives: BGR -> HSV, HSV -> BGR.
HSV = {
    (0, 0, 0): (0, 0, 0),
    (10, 200, 30): (57, 242, 200),
    (30, 10, 200): (177, 242, 200),
    (255, 1, 2): (120, 254, 255),
    (77, 77, 78): (0, 3, 78),
}
BGR = {
    (0, 0, 9): (9, 9, 9),
    (57, 242, 200): (10, 200, 29),
    (177, 242, 200): (29, 10, 200),
    (255, 90, 201): (166, 201, 130),
}


def test_colors():
    np.testing.assert_array_equal(hsv_of(np.uint8(list(HSV))), list(HSV.values()))
    np.testing.assert_array_equal(bgr_of(np.uint8(list(BGR))), list(BGR.values()))


def test_scaled_pixels_are_rounded_and_clipped():
    pixels = np.uint8([0, 1, 3, 100, 255])
    np.testing.assert_array_equal(scaled(pixels, 0.5), [0, 0, 2, 50, 128])
    np.testing.assert_array_equal(scaled(pixels, added=-20.7), [0, 0, 0, 79, 234])
    np.testing.assert_array_equal(scaled(pixels, 1.5, 2), [2, 4, 6, 152, 255])


def test_opencv_gives_the_same():
    cv2 = pytest.importorskip("cv2", reason="pip install --group bench")
    colors = np.stack(np.meshgrid(*[np.arange(0, 256, 3)] * 3), -1).astype(np.uint8)
    colors = colors.reshape(-1, 1, 3)  # a pixel a row: OpenCV takes each by itself
    np.testing.assert_array_equal(hsv_of(colors), cv2.cvtColor(colors, cv2.COLOR_BGR2HSV))
    differ = np.abs(bgr_of(colors).astype(int) - cv2.cvtColor(colors, cv2.COLOR_HSV2BGR))
    assert differ.max() <= 1  # where a value is half way, by the last bit of the sum
    assert differ.mean() < 1e-4
