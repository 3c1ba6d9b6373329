"""`keras-fcn segment`: a label for each pixel of images."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_fcn.cli import pictures
from keras_fcn.cli.flags import flag
from keras_fcn.cli.pictures import Task

if TYPE_CHECKING:
    import keras

    from keras_fcn.inference.jobs import Result

SUMMARY = (
    "Label each pixel of images. Writes a PNG for each whose pixels are the classes, in the data "
    "set's colours, and prints what share of the image each class has."
)
EXAMPLE = "keras-fcn segment street.jpg --model dilation8_camvid -o street.png"

Place = Callable[[str], Path]
"""From a picture's name to a file."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    pictures.add_arguments(parser)
    parser.add_argument(
        *("-o", "--output"),
        metavar="PNG",
        required=True,
        help="the labels; of several images a folder, for IMAGE.png",
    )
    parser.add_argument(
        "--picture",
        metavar="PNG",
        help="also write the image, its classes over it, and a legend; of several a folder",
    )


def run(options: argparse.Namespace) -> int:
    """Segment the images, write the labels; see `keras_fcn.cli.pictures.run`."""

    def make(model: keras.Model, files: list[Path]) -> Task:
        several = pictures.are_several(files)
        labels = _place(options.output, several)
        picture = None if options.picture is None else _place(options.picture, several)
        if picture is not None and picture("x.png") == labels("x.png"):
            raise ValueError(f"-o and --picture must differ. Received: {options.output} for both")
        return task(model, labels, picture)

    return pictures.run(options, make, writes=True)


def task(model: keras.Model, labels: Place, picture: Place | None = None) -> Task:
    """The command's task.

    Args:
        model: the network.
        labels: where the labels of a picture go.
        picture: where its picture goes; None for nowhere.
    """
    from keras_fcn.cards.card import card_of
    from keras_fcn.inference.prediction import model_preprocessing
    from keras_fcn.inference.segmentation import label_classes, segmenting, shares
    from keras_fcn.preprocessing.images import visible
    from keras_fcn.visualize import save_labels, save_png, segmentation_picture, voc_palette

    own = card_of(model).classes

    def found(result: Result) -> list[dict[str, Any]]:
        names = label_classes(model, result.answer, option=flag)
        return [
            {"label": names[index], "index": index, "share": float(share)}
            for index, share in shares(result.answer)
        ]

    def lines(result: Result) -> list[str]:
        return [f"  {x['share']:7.2%}  {x['index']:4}  {x['label']}" for x in found(result)]

    def write(result: Result) -> list[Path]:
        names = label_classes(model, result.answer, option=flag)
        palette = voc_palette(len(names)) if own is None or own.palette is None else own.palette
        written = [_made(labels(result.name))]
        save_labels(written[0], result.answer, palette, ignore=None)
        if picture is not None:
            written.append(_made(picture(result.name)))
            seen = visible(result.pixels)
            drawn = segmentation_picture(seen, result.answer, names, palette, ignore=None)
            save_png(written[1], drawn)
        return written

    job = segmenting(model, model_preprocessing(model))
    return Task(job, lines, lambda result: {"classes": found(result)}, write, heading=False)


def _place(text: str, several: bool) -> Place:
    """A file of this name for one picture; a folder of files for several."""
    path = Path(text)
    if not several and not path.is_dir() and not text.endswith(("/", os.sep)):
        return lambda _: path
    if path.suffix.lower() == ".png" or path.is_file():
        raise ValueError(f"the labels of several images go to a folder. Received: {text}")
    return lambda name: path / f"{Path(name).stem}.png"


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
