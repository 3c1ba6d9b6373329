"""Pictures of segmentations: the image, its classes and what their colours mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from keras_fcn.preprocessing.images import as_uint8, match_channels
from keras_fcn.visualize.captions import legend
from keras_fcn.visualize.colours import checked_labels, voc_palette
from keras_fcn.visualize.overlays import label_overlay


def segmentation_picture(
    image: ArrayLike,
    labels: ArrayLike,
    classes: Sequence[str],
    palette: ArrayLike | None = None,
    *,
    alpha: float = 0.6,
    ignore: int | None = 255,
) -> np.ndarray:
    """An image, beside it the colours of its classes over it, and a legend of those in it.

    Args:
        image: `(H, W, 3)` RGB or `(H, W)` grey, integers 0..255 or floats 0..1.
        labels: integers `(H, W)`.
        classes: a name for each class.
        palette: 0..255 `(classes, 3)`; that of PASCAL VOC by default.
        alpha: share of the colours, 0..1.
        ignore: the label of pixels that belong to no class.

    Returns:
        uint8 RGB.

    Raises:
        ValueError: shapes or values other than these, or a label without a name.
    """
    labels = checked_labels(labels)
    colours = voc_palette(len(classes)) if palette is None else as_uint8(palette)
    right = label_overlay(image, labels, colours[: len(classes)], alpha, ignore=ignore)
    height, width = right.shape[:2]
    parts = [match_channels(as_uint8(image), 3), right]
    present = [int(label) for label in np.unique(labels) if label != ignore]
    if present:
        font_size = min(max(width // 24, 14), 28)
        names = [classes[label] for label in present]
        parts.append(legend(names, colours[present], font_size=font_size))
    gap = 8
    height = max(part.shape[0] for part in parts)
    picture = np.full((height, sum(part.shape[1] + gap for part in parts) - gap, 3), 255, np.uint8)
    left = 0
    for part in parts:
        picture[: part.shape[0], left : left + part.shape[1]] = part
        left += part.shape[1] + gap
    return picture
