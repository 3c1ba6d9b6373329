"""Moving, cropping and resizing of images and masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from keras_fcn.preprocessing.resampling import resize

__all__ = ["random_corner", "resized", "resized_mask", "warp", "window"]


def random_corner(
    whole: Sequence[int], part: Sequence[int], rng: np.random.Generator
) -> tuple[int, ...]:
    """Corner of a centred part in a whole of (height, width); below 0 where the part is larger."""
    room = np.subtract(whole, part)
    return tuple(rng.integers(np.minimum(room, 0), np.maximum(room, 0) + 1).tolist())


def warp(
    pixels: np.ndarray,
    size: tuple[int, int],
    matrix: np.ndarray,
    offset: np.ndarray,
    fill: ArrayLike,
    *,
    nearest: bool = False,
) -> np.ndarray:
    """Reads an image at `matrix @ (row, column) + offset` for each place of the result.

    Places count from the corner of the first pixel, so that its centre is (0.5, 0.5). There is no
    blur before an image shrinks.

    Args:
        pixels: `(H, W)` or `(H, W, channels)`; uint8, int32 (only nearest) or float32.
        size: (height, width) of the result.
        matrix: 2 x 2.
        offset: 2.
        fill: beyond the border, one number or one a channel.
        nearest: takes the nearest pixel, else interpolates linearly.
    """
    (down_y, right_y), (down_x, right_x) = matrix.tolist()
    data = (right_x, down_x, float(offset[1]), right_y, down_y, float(offset[0]))
    method = Image.Resampling.NEAREST if nearest else Image.Resampling.BILINEAR
    number = float if pixels.dtype.kind == "f" else round

    def moved(picture: Image.Image, colour: Any) -> np.ndarray:
        affine = Image.Transform.AFFINE
        return np.asarray(picture.transform(size[::-1], affine, data, method, fillcolor=colour))

    if pixels.ndim == 2:
        return moved(Image.fromarray(pixels), number(np.asarray(fill).item()))
    colours = [number(value) for value in np.broadcast_to(fill, pixels.shape[-1:]).tolist()]
    if pixels.shape[-1] == 3 and pixels.dtype == np.uint8:
        return moved(Image.fromarray(pixels), tuple(colours))
    bands = [np.ascontiguousarray(band) for band in np.moveaxis(pixels, -1, 0)]
    return np.stack([moved(Image.fromarray(b), c) for b, c in zip(bands, colours, strict=True)], -1)


def window(
    pixels: np.ndarray, corner: tuple[int, ...], size: tuple[int, int], fill: np.ndarray
) -> np.ndarray:
    """Pixels under a window that may reach beyond the image."""
    result = np.empty((*size, *pixels.shape[2:]), pixels.dtype)
    result[...] = fill
    inside = tuple(
        slice(max(start, 0), min(start + length, have))
        for start, length, have in zip(corner, size, pixels.shape, strict=False)
    )
    place = tuple(
        slice(part.start - start, part.stop - start)
        for part, start in zip(inside, corner, strict=True)
    )
    result[place] = pixels[inside]
    return result


def resized(image: np.ndarray, size: tuple[int, int], interpolation: str) -> np.ndarray:
    """An image of another size and the same dtype; see `resampling.resize`."""
    values = resize(image, size, interpolation)
    return np.rint(values).astype(np.uint8) if image.dtype == np.uint8 else values


def resized_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A mask of another size: each pixel the nearest to its centre."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(np.intp)
        for old, new in zip(mask.shape, size, strict=True)
    )
    return mask[np.ix_(rows, columns)]
