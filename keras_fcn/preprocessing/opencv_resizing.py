"""OpenCV's other ways to resize 8-bit images; its default stands in `fixed_point`.

Source: `modules/imgproc/src/resize.cpp` of github.com/opencv/opencv.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from keras_fcn.preprocessing.fixed_point import resize_8bit

__all__ = ["WAYS", "resize_as"]

_BITS = 11
_SHARPNESS = -0.75  # of cubic


def resize_as(way: str, image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an image.

    LINEAR and NEAREST are OpenCV's to the bit; the others may differ by 1 from it.

    Args:
        way: one of `WAYS`.
        image: uint8, `(H, W, channels)`.
        size: height and width of the result.
    """
    if image.shape[:2] == size:
        return image
    return WAYS[way](image, size)


def _nearest(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    rows, columns = (
        np.minimum((np.arange(new) * (1 / (new / old))).astype(np.intp), old - 1)
        for old, new in zip(image.shape[:2], size, strict=True)
    )
    return np.asarray(image[rows[:, np.newaxis], columns])


def _area(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Means of what each pixel covers; where an axis grows, mixtures sharper than linear ones."""
    pairs = list(zip(image.shape[:2], size, strict=True))
    if all(new <= old for old, new in pairs):
        return _mixed(image, [_covered(*pair) for pair in pairs])
    return _mixed(image, [_blended(*pair) for pair in pairs])


def _covered(old: int, new: int) -> np.ndarray:
    edges = np.arange(new + 1) * (old / new)
    low = np.maximum(edges[:-1, np.newaxis], np.arange(old))
    high = np.minimum(edges[1:, np.newaxis], np.arange(1, old + 1))
    return np.asarray(np.maximum(high - low, 0) * (new / old))


def _blended(old: int, new: int) -> np.ndarray:
    number, scale = np.arange(new), old / new
    first = np.floor(number * scale)
    share = (number + 1) - (first + 1) / scale
    share = np.where(share <= 0, 0, share - np.floor(share))
    return _of_taps(old, first, np.stack([1 - share, share], 1))


def _taps(count: int, weights: Callable[[np.ndarray], np.ndarray]) -> Callable[..., np.ndarray]:
    """A way that mixes so many pixels around a place, by their distances from it."""

    def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        mixtures = []
        for old, new in zip(image.shape[:2], size, strict=True):
            places = (np.arange(new) + 0.5) * (old / new) - 0.5
            first = np.floor(places) - (count // 2 - 1)
            distances = places[:, np.newaxis] - first[:, np.newaxis] - np.arange(count)
            mixtures.append(_of_taps(old, first, weights(distances)))
        return _mixed(image, mixtures)

    return resized


def _cubic(distances: np.ndarray) -> np.ndarray:
    x, a = np.abs(distances), _SHARPNESS
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    return np.asarray(np.where(x <= 1, near, ((a * x - 5 * a) * x + 8 * a) * x - 4 * a))


def _lanczos(distances: np.ndarray) -> np.ndarray:
    found = np.sinc(distances) * np.sinc(distances / 4)
    return np.asarray(found / found.sum(1, keepdims=True))


def _of_taps(old: int, first: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`(outputs, inputs)` of weights that begin at some input; the edge goes on outside."""
    weights = np.rint(weights * (1 << _BITS)) / (1 << _BITS)
    matrix = np.zeros((len(weights), old))
    rows = np.arange(len(weights))
    for tap in range(weights.shape[1]):
        np.add.at(matrix, (rows, np.clip(first + tap, 0, old - 1).astype(np.intp)), weights[:, tap])
    return matrix


def _mixed(image: np.ndarray, matrices: list[np.ndarray]) -> np.ndarray:
    down, across = (matrix.astype(np.float32) for matrix in matrices)
    wide = np.einsum("xw,hwc->hxc", across, image.astype(np.float32), optimize=True)
    values = np.einsum("yh,hxc->yxc", down, wide, optimize=True)
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


WAYS: Mapping[str, Callable[[np.ndarray, tuple[int, int]], np.ndarray]] = {
    "LINEAR": resize_8bit,
    "AREA": _area,
    "NEAREST": _nearest,
    "CUBIC": _taps(4, _cubic),
    "LANCZOS4": _taps(8, _lanczos),
}
"""SSD's `interp_mode` -> what resizes so."""
