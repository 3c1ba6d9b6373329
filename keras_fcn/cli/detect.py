"""`keras-fcn detect`: boxes of what is found in images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from keras_fcn.cli import pictures
from keras_fcn.cli.classify import row
from keras_fcn.cli.flags import flag
from keras_fcn.cli.output_names import made_place
from keras_fcn.cli.pictures import Task

if TYPE_CHECKING:
    import keras

    from keras_fcn.inference.jobs import Result

SUMMARY = (
    "Find things in images with a detector: SSD, Faster R-CNN, R-FCN, YOLO or DetectNet. Prints "
    "the boxes of each image in pixels, best first; with -o it draws them."
)
EXAMPLE = "keras-fcn detect photos --model deploy.prototxt --weights face.caffemodel -o out"
_DRAWN_FROM = 0.25


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    pictures.add_arguments(parser)
    add_own_arguments(parser)
    parser.add_argument("-o", "--output", metavar="DIR", help="draw the boxes, as IMAGE_boxes.png")


def add_own_arguments(parser: argparse._ActionsContainer) -> None:
    """Add the options that this command has alone."""
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="X",
        help="least score of what is found; by default what the network reports, of which "
        f"pictures show what has {_DRAWN_FROM} or more",
    )
    parser.add_argument(
        "--overlap", type=float, metavar="X", help="of boxes, from which on the worse is dropped"
    )
    parser.add_argument(
        "--anchors", type=_numbers, metavar="W,H,...", help="of YOLO: those of its .cfg"
    )


def run(options: argparse.Namespace) -> int:
    """Find boxes in the images; see `keras_fcn.cli.pictures.run`."""
    return pictures.run(options, _make)


def _make(model: keras.Model, options: argparse.Namespace, _: bool) -> Task:
    return task(model, options)


def task(model: keras.Model, options: argparse.Namespace) -> Task:
    """The command's task."""
    from keras_fcn.inference.detection import detecting
    from keras_fcn.inference.prediction import model_preprocessing

    job = detecting(
        model,
        model_preprocessing(model),
        None if options.size == "free" else "model",
        threshold=options.threshold,
        overlap=options.overlap,
        anchors=options.anchors,
        option=flag,
    )
    folder = None if options.output is None else Path(options.output)

    def write(result: Result, name: str) -> list[Path]:
        return (
            []
            if folder is None
            else [_draw(result, folder / f"{name}_boxes.png", options.threshold)]
        )

    return Task(job, lines, lambda result: {"detections": result.answer}, write)


def lines(result: Result) -> list[str]:
    """A line for each box."""
    if not result.answer:
        return ["  nothing found"]
    return [
        f"{row(**each)}, columns {left:.0f} to {right:.0f}, rows {top:.0f} to {bottom:.0f}"
        for each in result.answer
        for left, top, right, bottom in [each["box"]]
    ]


def _draw(result: Result, path: Path, threshold: float | None) -> Path:
    from keras_fcn.preprocessing.images import visible
    from keras_fcn.visualize import draw_boxes, save_png

    least = _DRAWN_FROM if threshold is None else threshold
    found = [each for each in result.answer if each["score"] >= least]
    save_png(made_place(path, result), draw_boxes(visible(result.pixels), found))
    return path


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]
