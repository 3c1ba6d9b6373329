"""Pictures of segmentations: the image, its classes and what their colours mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from keras_fcn.preprocessing.images import as_uint8, match_channels
from keras_fcn.visualize.captions import legend, titled
from keras_fcn.visualize.colours import checked_labels, voc_palette
from keras_fcn.visualize.overlays import label_overlay

_GAP = 8


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
    colours = voc_palette(len(classes)) if palette is None else as_uint8(palette)
    right = label_overlay(image, labels, colours[: len(classes)], alpha, ignore=ignore)
    parts = [match_channels(as_uint8(image), 3), right]
    return _beside(*parts, *_legend([labels], classes, colours, ignore, right.shape[1]))


def comparison_picture(
    image: ArrayLike,
    truth: ArrayLike,
    prediction: ArrayLike,
    classes: Sequence[str],
    palette: ArrayLike | None = None,
    *,
    alpha: float = 0.6,
    ignore: int | None = 255,
) -> np.ndarray:
    """An image, its true classes over it and the predicted ones, with titles, and a legend.

    Args:
        image: `(H, W, 3)` RGB or `(H, W)` grey, integers 0..255 or floats 0..1.
        truth: integers `(H, W)`.
        prediction: integers `(H, W)`; each is a class.
        classes: a name for each class.
        palette: 0..255 `(classes, 3)`; that of PASCAL VOC by default.
        alpha: share of the colours, 0..1.
        ignore: the label of pixels of `truth` that belong to no class.

    Returns:
        uint8 RGB.

    Raises:
        ValueError: shapes or values other than these, or a label without a name.
    """
    colours = voc_palette(len(classes)) if palette is None else as_uint8(palette)
    own = colours[: len(classes)]
    parts = {
        "image": match_channels(as_uint8(image), 3),
        "truth": label_overlay(image, truth, own, alpha, ignore=ignore),
        "prediction": label_overlay(image, prediction, own, alpha, ignore=None),
    }
    shown = [titled(part, title) for title, part in parts.items()]
    width = parts["image"].shape[1]
    return _beside(*shown, *_legend([truth, prediction], classes, colours, ignore, width))


def _legend(
    maps: Sequence[ArrayLike],
    classes: Sequence[str],
    colours: np.ndarray,
    ignore: int | None,
    width: int,
) -> list[np.ndarray]:
    """The legend of the classes that are in the maps, beside pictures of a width; or nothing."""
    labels = sorted({int(label) for each in maps for label in np.unique(checked_labels(each))})
    present = [label for label in labels if label != ignore]
    if not present:
        return []
    font_size = min(max(width // 24, 14), 28)
    return [legend([classes[label] for label in present], colours[present], font_size=font_size)]


def _beside(*parts: np.ndarray) -> np.ndarray:
    height = max(part.shape[0] for part in parts)
    width = sum(part.shape[1] + _GAP for part in parts) - _GAP
    picture = np.full((height, width, 3), 255, np.uint8)
    left = 0
    for part in parts:
        picture[: part.shape[0], left : left + part.shape[1]] = part
        left += part.shape[1] + _GAP
    return picture
