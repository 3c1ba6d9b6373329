"""The windows of WindowData: the file that lists them, and where they lie in a crop."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_fcn.caffe.errors import CaffeError

__all__ = ["Box", "along", "read_boxes"]

_F = np.float32  # what Caffe computes with


@dataclass(frozen=True)
class Box:
    """A window of an image file; the last row and column are part of it."""

    image: str
    label: int
    overlap: float
    left: int
    top: int
    right: int
    bottom: int

    def __str__(self) -> str:
        return f"{self.image}: window {self.left} {self.top} {self.right} {self.bottom}"


def read_boxes(path: Path) -> list[Box]:
    """The windows of a file in R-CNN's form.

    For each image `# index`, its path, channels, height, width, the number of windows, and for each
    of these label, overlap, x1, y1, x2 and y2; parted by blanks.

    Raises:
        CaffeError: the file has another form.
    """
    words = iter(path.read_text("utf-8-sig", errors="replace").split())
    boxes: list[Box] = []
    for images, word in enumerate(words):
        try:
            boxes += _of_one_image(word, words, images)
        except (ValueError, StopIteration) as error:
            reason = error if isinstance(error, ValueError) else "the file ends"
            raise CaffeError(
                f"{path}: image {images} is not as it must be: # index path channels height width "
                f"number, then that many label overlap x1 y1 x2 y2: {reason}"
            ) from error
    return boxes


def _of_one_image(word: str, words: Iterator[str], images: int) -> list[Box]:
    if word != "#" or int(next(words)) != images:
        raise ValueError(f"'# {images}' is expected")
    name = next(words)
    channels, _, _, count = [int(next(words)) for _ in range(4)]
    if channels != 3:
        raise ValueError(f"{name} has {channels} channels; images are read with 3")
    boxes = []
    for _ in range(count):
        label, overlap = int(next(words)), float(next(words))
        left, top, right, bottom = [int(next(words)) for _ in range(4)]
        boxes.append(Box(name, label, overlap, left, top, right, bottom))
    return boxes


def along(
    centre: np.floating, half: np.floating, pixels: int, crop: int, mirrored: bool
) -> tuple[slice, int, int]:
    """Where a window with context lies on one axis, as Caffe rounds it.

    Args:
        centre: of the window.
        half: its length from there, context included.
        pixels: length of the image.
        crop: length of the crop, to which the window is resized.
        mirrored: whether the crop is mirrored on this axis.

    Returns:
        What is taken of the image, its length in the crop, and where it starts there.

    Raises:
        ValueError: nothing of the window lies in the image.
    """
    low, high = _rounded(centre - half), _rounded(centre + half)
    below, above = max(0, -low), max(0, high - pixels + 1)
    first, last = low + below, high - above
    if not 0 <= first <= last < pixels:
        raise ValueError(f"{low} to {high} of {pixels}")
    scale = _F(crop) / _F(high - low + 1)
    start = _rounded(_F(above if mirrored else below) * scale)
    length = min(_rounded(_F(last - first + 1) * scale), crop - start)
    if length < 1:
        raise ValueError(f"{first} to {last} of {pixels}, less than a pixel of the crop")
    return slice(first, last + 1), length, start


def _rounded(value: np.floating) -> int:
    """C's `round`: halves away from zero."""
    return int(math.copysign(math.floor(abs(float(value)) + 0.5), value))
