"""Small pictures and data sets for the tests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from keras_fcn.datasets import LabelMap, SegmentationDataset, load_folders
from keras_fcn.visualize import voc_palette

NAMES = ("a", "b", "c", "d", "e")
LABELS = LabelMap(classes=("back", "left", "right"))


def save(path: Path, pixels: np.ndarray, palette: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels)
    if palette:
        picture.putpalette(voc_palette().tobytes())
    picture.save(path)
    return path


def image(number: int, size: tuple[int, int] = (6, 8), channels: int = 3) -> np.ndarray:
    """Pixels that tell which image they are of, and where they are in it."""
    values = np.random.default_rng(number).integers(0, 256, (*size, channels), np.uint8)
    return values if channels > 1 else values[..., 0]


def mask(number: int, size: tuple[int, int] = (6, 8)) -> np.ndarray:
    return np.random.default_rng([number, 1]).integers(0, 3, size, np.uint8)


def write_folders(folder: Path, names: tuple[str, ...] = NAMES) -> Path:
    """A data set of the plain layout with two splits."""
    for number, name in enumerate(names):
        save(folder / "images" / f"{name}.png", image(number))
        save(folder / "masks" / f"{name}.png", mask(number), palette=True)
    (folder / "train.txt").write_text("".join(f"{name}\n" for name in names[:3]))
    (folder / "val.txt").write_text("".join(f"{name}.png\n\n" for name in names[3:]))
    (folder / "dataset.json").write_text(json.dumps({"classes": LABELS.classes}))
    return folder


def small_dataset(folder: Path) -> SegmentationDataset:
    return load_folders(write_folders(folder))
