"""A synthetic data set that a small network learns in minutes: coloured shapes on noise.

Each class of shape has a hue of its own that varies and at its ends is also its
neighbour's: there only the form tells them apart.
"""

from __future__ import annotations

import colorsys
import json
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from keras_fcn.caffe.io.files import atomic_write
from keras_fcn.datasets.folders import DESCRIPTION
from keras_fcn.visualize.colours import voc_palette
from keras_fcn.visualize.files import save_png

__all__ = ["CLASSES", "draw", "write"]

CLASSES = ("background", "disc", "square", "triangle")

# Half the range of hues of a class; the centres are a third of the circle apart.
_HUE_REACH = 0.17
_NOISE = 20.0
_DISC_CORNERS = 32
_TRIES = 8


def write(
    folder: str | Path,
    train: int = 200,
    val: int = 50,
    size: tuple[int, int] = (96, 96),
    seed: int = 0,
) -> Path:
    """Writes the data set for `load_folders`: the same files for the same arguments.

    `images/*.png`, `masks/*.png` (palette images of class indices), `train.txt`, `val.txt` and
    `dataset.json`. An image depends on the seed, its split and its number, not on how many there
    are.

    Args:
        folder: where to; made if it is not there.
        train: how many images to train on.
        val: how many to validate on.
        size: (height, width).
        seed: of all chance.

    Returns:
        The folder.

    Raises:
        ValueError: no images to train on, or a size below 16.
        CaffeError: a file cannot be written.
    """
    if train < 1 or val < 0 or min(size) < 16:
        raise ValueError(
            f"`train` is at least 1, `val` at least 0, `size` at least 16 by 16. "
            f"Received: train={train}, val={val}, size={size}"
        )
    folder = Path(folder)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for part, (split, count) in enumerate({"train": train, "val": val}.items()):
        names = [f"{split}_{number:04}" for number in range(count)]
        for number, name in enumerate(names):
            image, mask = draw(size, np.random.default_rng([seed, part, number]))
            save_png(folder / "images" / f"{name}.png", image)
            _save_mask(folder / "masks" / f"{name}.png", mask)
        _save_text(folder / f"{split}.txt", "".join(f"{name}\n" for name in names))
    palette = voc_palette(len(CLASSES)).tolist()
    _save_text(folder / DESCRIPTION, json.dumps({"classes": CLASSES, "palette": palette}) + "\n")
    return folder


def draw(size: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One image, uint8 `(height, width, 3)` RGB, and its mask, uint8 `(height, width)`."""
    height, width = size
    image = Image.fromarray(_background(size, rng))
    mask = Image.new("L", (width, height))
    taken: list[tuple[np.ndarray, float]] = []
    for _ in range(_TRIES):
        index = int(rng.integers(1, len(CLASSES)))
        radius = rng.uniform(0.13, 0.24) * min(size)
        centre = rng.uniform((radius, radius), (width - radius, height - radius))
        if any(math.dist(centre, other) < radius + reach for other, reach in taken):
            continue
        taken.append((centre, radius))
        points = _outline(index, centre, radius, rng.uniform(0, 2 * math.pi))
        ImageDraw.Draw(image).polygon(points, fill=_colour(index, rng))
        ImageDraw.Draw(mask).polygon(points, fill=index)
    noisy = np.asarray(image) + rng.normal(0, _NOISE, (height, width, 3))
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8), np.asarray(mask)


def _outline(
    index: int, centre: np.ndarray, radius: float, turn: float
) -> list[tuple[float, float]]:
    corners = {"disc": _DISC_CORNERS, "square": 4, "triangle": 3}[CLASSES[index]]
    angles = turn + np.arange(corners) * 2 * math.pi / corners
    x, y = centre[0] + radius * np.cos(angles), centre[1] + radius * np.sin(angles)
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _colour(index: int, rng: np.random.Generator) -> tuple[int, int, int]:
    hue = (index / (len(CLASSES) - 1) + rng.uniform(-_HUE_REACH, _HUE_REACH)) % 1
    colour = colorsys.hsv_to_rgb(hue, rng.uniform(0.6, 1), rng.uniform(0.5, 1))
    red, green, blue = (round(255 * value) for value in colour)
    return red, green, blue


def _background(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A slope of greys from corner to corner, slightly tinted."""
    corners = rng.uniform(40, 200, (2, 2, 1)) + rng.uniform(-20, 20, (2, 2, 3))
    picture = Image.fromarray(np.rint(np.clip(corners, 0, 255)).astype(np.uint8))
    return np.asarray(picture.resize(size[::-1], Image.Resampling.BILINEAR))


def _save_mask(path: Path, mask: np.ndarray) -> None:
    picture = Image.fromarray(mask)
    picture.putpalette(voc_palette().tobytes())
    with atomic_write(path) as file:
        picture.save(file, format="PNG")


def _save_text(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode())
