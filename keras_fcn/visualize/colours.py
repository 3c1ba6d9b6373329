"""Scores and labels to colours."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from keras_fcn.preprocessing.images import as_uint8
from keras_fcn.preprocessing.resampling import resize

#: From low to high, evenly spaced: matplotlib's `plasma` (Smith and van der Walt, CC0) at nine
#: positions. Lightness rises all the way, so it also reads in grey and to the colour-blind.
_HEAT = np.array(
    [
        (13, 8, 135),
        (76, 2, 161),
        (126, 3, 168),
        (170, 35, 149),
        (204, 71, 120),
        (230, 108, 92),
        (248, 149, 64),
        (253, 197, 39),
        (240, 249, 33),
    ]
)
_VOID = (224, 224, 192)


def heat_map(
    scores: ArrayLike,
    size: tuple[int, int] | None = None,
    *,
    limits: tuple[float, float] | None = None,
) -> np.ndarray:
    """Colours a map of scores, dark blue for low over red to yellow for high.

    Args:
        scores: `(h, w)`.
        size: (height, width) to enlarge the scores to (bilinear, half-pixel) before colouring.
        limits: scores that get the lowest and the highest colour; those beyond are clipped. None
            for the minimum and maximum of `scores`.

    Raises:
        ValueError: not a map, values that are not finite, or limits in the wrong order.
    """
    scores = checked_map(scores)
    low, high = limits or (scores.min(), scores.max())
    if high < low:
        raise ValueError(f"`limits` must be (low, high). Received: {limits}")
    if size is not None:
        scores = resize(scores[..., np.newaxis], size)[..., 0]
    share = np.clip((scores - low) / ((high - low) or 1.0), 0, 1)
    places = np.linspace(0, 1, len(_HEAT))
    colours = [np.interp(share, places, channel) for channel in _HEAT.T]
    return np.asarray(np.rint(np.stack(colours, axis=-1)), np.uint8)


def checked_map(scores: ArrayLike) -> np.ndarray:
    """A map of scores as float32; a ValueError unless it is `(h, w)` and finite."""
    scores = np.asarray(scores, np.float32)
    if scores.ndim != 2 or not scores.size or not np.isfinite(scores).all():
        raise ValueError(
            f"`scores` must be one finite map (h, w); pick a class of (h, w, classes) first. "
            f"Received: shape {scores.shape}, {np.count_nonzero(~np.isfinite(scores))} not finite"
        )
    return scores


def voc_palette(count: int = 256) -> np.ndarray:
    """The colours of PASCAL VOC's label files, uint8 `(count, 3)`, distinct for neighbours.

    The bits of the label, from the lowest, go in turn to red, green and blue, highest bit first.
    Source: the VOC development kit.
    """
    step, channel = np.arange(8)[:, np.newaxis], np.arange(3)
    bits = np.arange(count)[:, np.newaxis, np.newaxis] >> (3 * step + channel) & 1
    return np.asarray((bits << (7 - step)).sum(axis=1), np.uint8)


def label_map(
    labels: ArrayLike, palette: ArrayLike | None = None, *, ignore: int | None = 255
) -> np.ndarray:
    """Colours a map of class indices.

    Args:
        labels: integers `(H, W)`.
        palette: 0..255 `(classes, 3)`; that of PASCAL VOC by default.
        ignore: the label of pixels that belong to no class, drawn in VOC's cream.

    Raises:
        ValueError: not a map of integers, or a label that has no colour.
    """
    labels = checked_labels(labels)
    colours = label_colours(labels, palette, ignore)
    ignored = labels == ignore
    picture = colours[np.where(ignored, 0, labels)]
    picture[ignored] = _VOID
    return picture


def checked_labels(labels: ArrayLike) -> np.ndarray:
    """A map of classes; a ValueError unless it is integers (H, W)."""
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.dtype.kind not in "iu":
        raise ValueError(
            f"`labels` must be integers (H, W); take the argmax of scores first. "
            f"Received: {labels.dtype} {labels.shape}"
        )
    return labels


def label_colours(
    labels: np.ndarray, palette: ArrayLike | None = None, ignore: int | None = 255
) -> np.ndarray:
    """A colour for each label from 0 to 255, uint8 (256, 3); see `label_map`.

    Raises:
        ValueError: a label that has no colour.
    """
    known = voc_palette() if palette is None else as_uint8(palette)
    unknown = (labels != ignore) & ((labels < 0) | (labels >= len(known)))
    if unknown.any():
        raise ValueError(
            f"Each label needs a colour: the palette has {len(known)}. "
            f"Received: label {labels[unknown][0]}"
        )
    colours = np.zeros((max(256, len(known)), 3), np.uint8)
    colours[: len(known)] = known
    if ignore in range(len(colours)):
        colours[ignore] = _VOID
    return colours
