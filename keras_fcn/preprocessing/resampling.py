"""Resizing and cropping of images `(..., H, W, channels)` as Caffe's tools do it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from keras_fcn.preprocessing.fixed_point import resize_8bit
from keras_fcn.preprocessing.images import full_scale

__all__ = ["center_crop", "half_pixel", "oversample", "resample", "resize"]


def half_pixel(inputs: int, outputs: int) -> np.ndarray:
    """Centres of `outputs` pixels, counted in `inputs` pixels over the same length."""
    return (np.arange(outputs) + 0.5) * inputs / outputs - 0.5


def _corners(inputs: int, outputs: int) -> np.ndarray:
    return np.linspace(0, inputs - 1, outputs)


INTERPOLATIONS = {"bilinear": half_pixel, "bilinear_corners": _corners, "opencv": half_pixel}


def resize(images: ArrayLike, size: tuple[int, int], interpolation: str = "bilinear") -> np.ndarray:
    """Resizes by linear interpolation between two neighbours on each axis, without antialiasing.

    In neither form is an image blurred before it shrinks, so a large image brought down by more
    than half aliases, as it did in Caffe's tools. For output `i` of `n`, on an axis of `m` pixels:

    - `"bilinear"` reads at `(i + 0.5) * m / n - 0.5`, clamped to the first and last pixel. This is
      OpenCV's `INTER_LINEAR` but for 8-bit rounding, and
      what pycaffe gave for images of 1 or 3 channels with the scikit-image of its time (order 1;
      when enlarging, that scikit-image let the border pixels fade to the darkest value, and from
      0.15 on it blurs before shrinking).
    - `"bilinear_corners"` reads at `i * (m - 1) / (n - 1)`: corners stay corners. This is
      `scipy.ndimage.zoom` of order 1, which pycaffe used for any other number of channels, and the
      `Interp` layer of Caffe's forks.
    - `"opencv"` is `"bilinear"`, but of integers, 0..255, by OpenCV's own arithmetic for 8-bit
      images: bit for bit what `cv2.resize`, `cv2.dnn.blobFromImage` of such images,
      `convert_imageset` and `ImageData` give; see `keras_fcn.preprocessing.fixed_point`.

    Args:
        images: `(..., H, W, channels)`.
        size: (height, width) of the result.
        interpolation: `"bilinear"`, `"bilinear_corners"` or `"opencv"`.

    Returns:
        float32, `(..., height, width, channels)`.

    Raises:
        ValueError: a size that is not positive, an empty image, an unknown interpolation.
    """
    images = np.asarray(images)
    if interpolation not in INTERPOLATIONS:
        raise ValueError(
            f"`interpolation` must be one of {list(INTERPOLATIONS)}. Received: {interpolation!r}"
        )
    if images.ndim < 3 or 0 in images.shape[-3:-1] or len(size) != 2 or min(size) < 1:
        raise ValueError(
            f"`resize` takes images (..., H, W, channels) and a size (height, width), all at least "
            f"1. Received: images of shape {images.shape}, size={size}"
        )
    if images.shape[-3:-1] == tuple(size):
        return images.astype(np.float32, copy=False)
    if interpolation == "opencv" and full_scale(images) == 255:
        return resize_8bit(images.astype(np.uint8), size).astype(np.float32)
    rows, columns = map(INTERPOLATIONS[interpolation], images.shape[-3:-1], size)
    return resample(images, rows, columns)


def resample(images: ArrayLike, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Values of `(..., H, W, channels)` at fractional rows and columns, bilinear, ends clamped."""
    images = np.asarray(images, np.float32)
    return _interpolate(_interpolate(images, rows, axis=-3), columns, axis=-2)


def _interpolate(images: np.ndarray, positions: np.ndarray, axis: int) -> np.ndarray:
    last = images.shape[axis] - 1
    if len(positions) == last + 1 and (positions == np.arange(last + 1)).all():
        return images
    positions = np.clip(positions, 0, last)
    below = positions.astype(np.intp)
    share = (positions - below).astype(np.float32).reshape(-1, *[1] * (-1 - axis))
    low: np.ndarray = np.take(images, below, axis)
    high: np.ndarray = np.take(images, np.minimum(below + 1, last), axis)
    high -= low
    high *= share
    high += low
    return high


def center_crop(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The middle `(height, width)` of `(..., H, W, channels)`, starting at half the rest, floored.

    Source: Caffe's `DataTransformer` at TEST.

    Raises:
        ValueError: the crop is larger than the image.
    """
    top, left = ((have - want) // 2 for have, want in zip(images.shape[-3:-1], size, strict=True))
    return _window(images, top, left, size)


def _window(images: np.ndarray, top: int, left: int, size: tuple[int, int]) -> np.ndarray:
    height, width = size
    if min(size) < 1 or height > images.shape[-3] or width > images.shape[-2]:
        raise ValueError(
            f"A crop must fit inside the image. Received: crop {tuple(size)}, image "
            f"{images.shape[-3:-1]} (height, width); resize the image first"
        )
    return images[..., top : top + height, left : left + width, :]


def oversample(images: ArrayLike | Sequence[ArrayLike], crop: tuple[int, int]) -> np.ndarray:
    """Ten crops of each image, as `caffe.io.oversample` orders them.

    Top left, top right, bottom left, bottom right, centre; then the same five mirrored. The crops
    keep the dtype of the images, so that `preprocess_input` still knows 0..255 from 0..1.

    Args:
        images: one image `(H, W, channels)` or several of one size `(N, H, W, channels)`.
        crop: (height, width) of a crop.

    Returns:
        `(10 * N, height, width, channels)`; the ten of the first image, then those of the second.

    Raises:
        ValueError: another number of axes, or a crop that does not fit.
    """
    images = np.asarray(images)
    if images.ndim not in (3, 4):
        raise ValueError(
            f"`oversample` takes (H, W, channels) or (N, H, W, channels). Received: {images.shape}"
        )
    images = images.reshape(-1, *images.shape[-3:])
    bottom, right = images.shape[1] - crop[0], images.shape[2] - crop[1]
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
    crops = np.stack([_window(images, *corner, crop) for corner in corners], axis=1)
    return np.concatenate([crops, crops[..., ::-1, :]], axis=1).reshape(-1, *crops.shape[2:])
