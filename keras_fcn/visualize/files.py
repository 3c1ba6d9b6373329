"""Pictures to files."""

from __future__ import annotations

import os
from pathlib import Path

from numpy.typing import ArrayLike
from PIL import Image

from convert.files import atomic_write
from keras_fcn.images import as_uint8


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
        Image.fromarray(pixels).save(file, format="PNG")
