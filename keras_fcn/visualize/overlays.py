"""Coarse score maps over the images they come from."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from keras_fcn.preprocessing.images import as_uint8, match_channels
from keras_fcn.preprocessing.resampling import resample, resize
from keras_fcn.visualize.colours import checked_map, heat_map, label_map


def overlay(
    image: ArrayLike,
    scores: ArrayLike,
    alpha: float = 0.5,
    *,
    size: tuple[int, int] | None = None,
    stride: float | tuple[float, float] | None = None,
    offset: float | tuple[float, float] = 0.0,
    limits: tuple[float, float] | None = None,
) -> np.ndarray:
    """Lays the heat map of a coarse map of scores over its image.

    Between the centres of the positions scores are interpolated linearly, beyond the outermost
    centres they stay. Without `stride` the positions share the image out evenly. With it the
    centre of position `(i, j)` stands at pixel `offset + stride * (i, j)`: the centre of its
    receptive field, for CaffeNet cast to convolutions `stride=32, offset=113`.

    Args:
        image: `(H, W, 3)` RGB or `(H, W)` grey, integers 0..255 or floats 0..1.
        scores: `(h, w)`.
        alpha: share of the heat map, 0..1.
        size: (height, width) of the picture; the image is resized to it first, so give what the
            net saw where `stride` and `offset` count the net's pixels.
        stride: pixels from one position to the next, one number or (rows, columns).
        offset: pixel index of the centre of the first position, one number or (row, column).
        limits: as in `heat_map`.

    Returns:
        uint8, `(H, W, 3)` or `size`.

    Raises:
        ValueError: shapes or values other than these.
    """
    base = match_channels(as_uint8(image), 3)
    if base.ndim != 3 or not 0 <= alpha <= 1:
        raise ValueError(
            f"`overlay` takes one image and an alpha in 0..1. Received: image of shape "
            f"{base.shape}, alpha={alpha}"
        )
    base = base if size is None else resize(base, size)
    scores = checked_map(scores)
    limits = limits or (float(scores.min()), float(scores.max()))
    height, width = base.shape[:2]
    if stride is None:
        heat = heat_map(scores, (height, width), limits=limits)
    else:
        steps, starts = np.broadcast_to(stride, 2), np.broadcast_to(offset, 2)
        if steps.min() <= 0:
            raise ValueError(f"`stride` must be positive. Received: {stride}")
        rows, columns = (
            (np.arange(length) - start) / step
            for length, start, step in zip((height, width), starts, steps, strict=True)
        )
        spread = resample(scores[..., np.newaxis], rows, columns)[..., 0]
        heat = heat_map(spread, limits=limits)
    return np.asarray(np.rint((1 - alpha) * base + alpha * heat), np.uint8)


def label_overlay(
    image: ArrayLike,
    labels: ArrayLike,
    palette: ArrayLike | None = None,
    alpha: float = 0.5,
    *,
    ignore: int | None = 255,
) -> np.ndarray:
    """Lays the colours of a map of classes over its image.

    Args:
        image: `(H, W, 3)` RGB or `(H, W)` grey, integers 0..255 or floats 0..1.
        labels: integers `(H, W)`.
        palette: 0..255 `(classes, 3)`; that of PASCAL VOC by default.
        alpha: share of the colours, 0..1.
        ignore: the label of pixels that belong to no class: there the image stays.

    Returns:
        uint8, `(H, W, 3)`.

    Raises:
        ValueError: shapes or values other than these.
    """
    base = match_channels(as_uint8(image), 3)
    colours = label_map(labels, palette, ignore=ignore)
    if base.shape != colours.shape or not 0 <= alpha <= 1:
        raise ValueError(
            f"`label_overlay` takes an image and labels of its size, and an alpha in 0..1. "
            f"Received: image {base.shape}, labels {colours.shape[:2]}, alpha={alpha}"
        )
    share = np.where(np.asarray(labels) == ignore, 0, alpha)[..., np.newaxis]
    return np.asarray(np.rint((1 - share) * base + share * colours), np.uint8)
