"""OpenCV's 8-bit HSV, in which a hue has 180 steps.

Source: `modules/imgproc/src/color_hsv.simd.hpp` of github.com/opencv/opencv.
"""

from __future__ import annotations

import numpy as np

__all__ = ["bgr_of", "hsv_of", "scaled"]

_BITS = 12
_HUES = 180
_NUMBERS = np.maximum(np.arange(256), 1)
_OF_VALUE = np.rint((255 << _BITS) / _NUMBERS).astype(np.int32)
_OF_SPREAD = np.rint((_HUES << _BITS) / (6 * _NUMBERS)).astype(np.int32)
# Sixth of the circle -> which of (value, value - chroma, falling, rising) is blue, green, red.
_SIXTHS = np.array([[1, 3, 0], [1, 0, 2], [3, 0, 1], [0, 2, 1], [0, 1, 3], [2, 1, 0]])


def scaled(pixels: np.ndarray, factor: float = 1, added: float = 0) -> np.ndarray:
    """Pixels (uint8) times a factor, and something added, as OpenCV's `convertTo` rounds it."""
    values = np.arange(256, dtype=np.float32) * np.float32(factor) + np.float32(added)
    return np.asarray(np.clip(np.rint(values), 0, 255).astype(np.uint8)[pixels])


def hsv_of(image: np.ndarray) -> np.ndarray:
    """`cvtColor(image, COLOR_BGR2HSV)`, bit for bit.

    Args:
        image: uint8, `(..., 3)`, blue first.

    Returns:
        uint8, `(..., 3)`: hue below 180, saturation, value.
    """
    blue, green, red = np.moveaxis(image.astype(np.int32), -1, 0)
    value = np.maximum(np.maximum(blue, green), red)
    spread = value - np.minimum(np.minimum(blue, green), red)
    hue = np.where(
        value == red,
        green - blue,
        np.where(value == green, blue - red + 2 * spread, red - green + 4 * spread),
    )
    hue = _shifted(hue * _OF_SPREAD[spread])
    hue[hue < 0] += _HUES
    return np.stack([hue, _shifted(spread * _OF_VALUE[value]), value], -1).astype(np.uint8)


def bgr_of(image: np.ndarray) -> np.ndarray:
    """`cvtColor(image, COLOR_HSV2BGR)`; hues from 180 on go round the circle once more.

    Args:
        image: uint8, `(..., 3)`: hue, saturation, value.

    Returns:
        uint8, `(..., 3)`, blue first. As OpenCV does for single pixels, and in its old versions
        for all, values are rounded (half way by 1 up or down); newer ones cut many at once.
    """
    hue, saturation, value = np.moveaxis(image, -1, 0).astype(np.float32)
    hue *= np.float32(6 / _HUES)
    saturation *= np.float32(1 / 255)
    value *= np.float32(1 / 255)
    sixth = np.floor(hue)
    part = hue - sixth
    low, falling = value * (1 - saturation), value * (1 - saturation * part)
    rising = value * (1 - saturation * (1 - part))
    levels = np.stack([value, low, falling, rising], -1)
    order = _SIXTHS[sixth.astype(np.intp) % 6]
    return np.rint(np.take_along_axis(levels, order, -1) * np.float32(255)).astype(np.uint8)


def _shifted(values: np.ndarray) -> np.ndarray:
    return np.asarray(values + (1 << _BITS - 1) >> _BITS)
