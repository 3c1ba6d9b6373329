"""Many small pictures in one: filters, activations."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from keras_fcn.preprocessing.images import as_uint8, match_channels


def tile(
    images: ArrayLike,
    columns: int | None = None,
    *,
    gap: int = 2,
    background: int = 255,
    zoom: int = 1,
    each: bool = False,
) -> np.ndarray:
    """A mosaic of filters or activations, row by row.

    Floats are stretched so that the lowest is black and the highest white: filters have no range
    of their own. For the kernel `(height, width, 3, filters)` of a net that takes BGR:
    `tile(kernel[:, :, ::-1].transpose(3, 0, 1, 2))`; for activations `(H, W, channels)`:
    `tile(activations.transpose(2, 0, 1))`.

    Args:
        images: `(N, H, W)`, `(N, H, W, 1)` or `(N, H, W, 3)`; integers 0..255 are drawn as they
            are.
        columns: images in a row; as many as make a square by default.
        gap: pixels between images.
        background: grey level of the gaps.
        zoom: how many pixels a side each value takes.
        each: stretches every image by itself instead of all alike.

    Raises:
        ValueError: shapes or values other than these.
    """
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[..., np.newaxis]
    columns = math.ceil(math.sqrt(len(images))) if columns is None else columns
    if images.ndim != 4 or not images.size or min(columns, zoom, gap + 1) < 1:
        raise ValueError(
            f"`tile` takes images (N, H, W) or (N, H, W, channels), at least 1 column and zoom 1. "
            f"Received: shape {images.shape}, columns={columns}, zoom={zoom}, gap={gap}"
        )
    if images.dtype.kind == "f":
        low = images.min(axis=(1, 2, 3) if each else None, keepdims=True)
        high = images.max(axis=(1, 2, 3) if each else None, keepdims=True)
        images = (images - low) / np.where(high > low, high - low, 1)
    pixels = match_channels(as_uint8(images), 3).repeat(zoom, axis=1).repeat(zoom, axis=2)
    count, height, width, _ = pixels.shape
    rows = math.ceil(count / columns)
    steps = height + gap, width + gap
    mosaic = np.full((rows * steps[0] - gap, columns * steps[1] - gap, 3), background, np.uint8)
    for index, image in enumerate(pixels):
        top, left = (
            place * step for place, step in zip(divmod(index, columns), steps, strict=True)
        )
        mosaic[top : top + height, left : left + width] = image
    return mosaic


def filters(
    kernel: ArrayLike, *, channel_order: str = "bgr", columns: int | None = None, zoom: int = 8
) -> np.ndarray:
    """The filters of a convolution in one picture.

    Filters of three channels, those of a first layer, are drawn in colour, all on one scale, with
    0 at the same grey. Filters of other numbers of channels are drawn one row a filter, a square
    a channel.

    Args:
        kernel: `(height, width, channels, filters)`, as Keras has it.
        channel_order: the order of three channels, `"bgr"` or `"rgb"`.
        columns: filters in a row.
        zoom: how many pixels a side each value takes.

    Raises:
        ValueError: another shape.
    """
    kernel = np.asarray(kernel)
    if kernel.ndim != 4:
        raise ValueError(
            f"`kernel` must be (height, width, channels, filters). Received: shape {kernel.shape}"
        )
    values = kernel.transpose(3, 0, 1, 2).astype(np.float32)
    values = 0.5 + values / (2 * (float(np.abs(values).max()) or 1.0))
    if values.shape[-1] == 3:
        values = values[..., ::-1] if channel_order == "bgr" else values
    else:
        columns = values.shape[-1] if columns is None else columns
        values = values.transpose(0, 3, 1, 2).reshape(-1, *values.shape[1:3])
    return tile(as_uint8(values), columns, zoom=zoom)


def activations(
    blob: ArrayLike, *, columns: int | None = None, zoom: int = 1, each: bool = False
) -> np.ndarray:
    """The channels of one image's blob in one picture, lowest black and highest white.

    Args:
        blob: `(channels, H, W)` or `(1, channels, H, W)`, as `keras_fcn.blobs` gives it.
        columns: channels in a row.
        zoom: how many pixels a side each value takes.
        each: stretches every channel by itself instead of all alike.

    Raises:
        ValueError: another shape.
    """
    values = np.asarray(blob, np.float32)
    if values.ndim == 4 and len(values) == 1:
        values = values[0]
    if values.ndim != 3:
        raise ValueError(
            f"`blob` must be the maps of one image (channels, H, W). Received: {values.shape}"
        )
    return tile(values, columns, zoom=zoom, each=each)
