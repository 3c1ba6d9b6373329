"""Label maps as files: a PNG, arrays, or run lengths of COCO."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from keras_fcn.caffe.io.files import atomic_write

if TYPE_CHECKING:
    import numpy as np

__all__ = ["FORMATS", "LabelFormat", "add_argument", "format_of", "save_arrays"]


class Labels(NamedTuple):
    """What is to be written of a picture.

    Attributes:
        labels: uint8 or uint16 (H, W).
        names: of the classes.
        palette: their colours.
        record: of JSON.
    """

    labels: np.ndarray
    names: Sequence[str]
    palette: Any
    record: Mapping[str, Any]


class LabelFormat(NamedTuple):
    """A format of label maps.

    Attributes:
        suffix: of its files.
        save: writes one.
        masks: whether records of JSON hold the mask of each class.
    """

    suffix: str
    save: Callable[[Path, Labels], None]
    masks: bool = False


def _save_png(path: Path, given: Labels) -> None:
    from keras_fcn.visualize import save_labels

    save_labels(path, given.labels, given.palette, ignore=None)


def _save_npz(path: Path, given: Labels) -> None:
    save_arrays(path, labels=given.labels, classes=given.names)


def _save_json(path: Path, given: Labels) -> None:
    with atomic_write(path) as file:
        file.write(json.dumps(given.record, allow_nan=False).encode() + b"\n")


def save_arrays(path: Path, **arrays: Any) -> None:
    """Write arrays as `.npz`, compressed."""
    import numpy as np

    with atomic_write(path) as file:
        np.savez_compressed(file, **arrays)


FORMATS: Mapping[str, LabelFormat] = {
    "png": LabelFormat(".png", _save_png),
    "npz": LabelFormat(".npz", _save_npz),
    "rle": LabelFormat(".json", _save_json, masks=True),
}


def add_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="of label maps: png, a picture whose pixels are the classes; npz, arrays labels and "
        "classes; rle, JSON with a mask of COCO's run lengths for each class, which --json and "
        "--jsonl have then too",
    )


def format_of(options: argparse.Namespace) -> LabelFormat:
    """The format that is asked for; else that of the output's ending, or PNG."""
    if options.format is not None:
        return FORMATS[options.format]
    ending = Path(options.output or "").suffix.lower()
    return next((each for each in FORMATS.values() if each.suffix == ending), FORMATS["png"])
