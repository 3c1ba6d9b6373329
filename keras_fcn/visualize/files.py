"""Pictures to files."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from keras_fcn.caffe.io.files import atomic_write
from keras_fcn.preprocessing.images import as_uint8
from keras_fcn.visualize.colours import checked_labels, label_colours

_COMPRESSION = 4  # zlib's; its default of 6 takes twice as long for 5 % less


def save_png(path: str | os.PathLike[str], array: ArrayLike) -> None:
    """Writes a picture as PNG, whole or not at all.

    Args:
        path: the file, whatever its suffix; an older one is replaced.
        array: `(H, W)` grey, `(H, W, 3)` RGB or `(H, W, 4)` RGBA; 0..255, or floats 0..1.

    Raises:
        ValueError: an array of another shape.
        CaffeError: the file cannot be written.
    """
    pixels = as_uint8(array)
    if pixels.size == 0 or not (
        pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))
    ):
        raise ValueError(
            f"A picture is (H, W), (H, W, 3) or (H, W, 4). Received: shape {pixels.shape}"
        )
    with atomic_write(Path(path)) as file:
        file.write(png_bytes(pixels))


def png_bytes(pixels: np.ndarray) -> bytes:
    """A PNG of uint8 grey, RGB or RGBA, or of uint16 grey."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", compress_level=_COMPRESSION)
    return file.getvalue()


def save_labels(
    path: str | os.PathLike[str],
    labels: ArrayLike,
    palette: ArrayLike | None = None,
    *,
    ignore: int | None = 255,
) -> None:
    """Writes a map of classes as PNG with a palette: its pixels are the labels, shown in colour.

    Args:
        path: the file, whatever its suffix; an older one is replaced.
        labels: integers `(H, W)`, 0..255.
        palette: 0..255 `(classes, 3)`; that of PASCAL VOC by default.
        ignore: the label of pixels that belong to no class, drawn in VOC's cream.

    Raises:
        ValueError: not a map of integers, or a label that has no colour.
        CaffeError: the file cannot be written.
    """
    content = labels_png(labels, palette, ignore=ignore)
    with atomic_write(Path(path)) as file:
        file.write(content)


def labels_png(
    labels: ArrayLike, palette: ArrayLike | None = None, *, ignore: int | None = 255
) -> bytes:
    """The file that `save_labels` writes."""
    labels = checked_labels(labels)
    if labels.size == 0 or labels.min() < 0 or labels.max() > 255:
        raise ValueError(f"A PNG keeps labels 0..255. Received: labels of shape {labels.shape}")
    colours = label_colours(labels, palette, ignore)
    picture = Image.fromarray(labels.astype(np.uint8))
    picture.putpalette(colours.tobytes())
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return file.getvalue()
