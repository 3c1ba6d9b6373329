"""`keras-fcn keypoints`: parts of bodies, hands or faces in images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_fcn.cli import pictures
from keras_fcn.cli.classify import row
from keras_fcn.cli.flags import flag
from keras_fcn.cli.output_names import made_place
from keras_fcn.cli.pictures import Task

if TYPE_CHECKING:
    import keras

    from keras_fcn.inference.jobs import Result

SUMMARY = (
    "Find parts of bodies, hands or faces with a pose network such as OpenPose's. Prints the peaks "
    "of each part's heat map in pixels of the image; with -o it draws them."
)
EXAMPLE = "keras-fcn keypoints run.jpg --model pose.prototxt --weights pose.caffemodel -o out"
_THRESHOLD = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    pictures.add_arguments(parser)
    parser.add_argument(
        "--threshold",
        type=float,
        default=_THRESHOLD,
        metavar="X",
        help=f"least score of a peak, {_THRESHOLD}",
    )
    parser.add_argument("-o", "--output", metavar="DIR", help="draw them, as IMAGE_keypoints.png")


def run(options: argparse.Namespace) -> int:
    """Find parts in the images; see `keras_fcn.cli.pictures.run`."""
    return pictures.run(options, _make)


def _make(model: keras.Model, options: argparse.Namespace, _: bool) -> Task:
    return task(model, options)


def task(model: keras.Model, options: argparse.Namespace) -> Task:
    """The command's task."""
    from keras_fcn.core.card import card_of
    from keras_fcn.inference.keypoints import finding_keypoints
    from keras_fcn.inference.prediction import model_preprocessing

    own = card_of(model).classes
    threshold = _THRESHOLD if options.threshold is None else options.threshold
    job = finding_keypoints(
        model,
        model_preprocessing(model),
        threshold=threshold,
        parts=None if own is None else own.names,
        option=flag,
    )
    folder = None if options.output is None else Path(options.output)

    def write(result: Result, name: str) -> list[Path]:
        return [] if folder is None else [_draw(model, result, folder / f"{name}_keypoints.png")]

    return Task(job, lines, lambda result: {"keypoints": result.answer}, write)


def lines(result: Result) -> list[str]:
    """A line for each peak."""
    if not result.answer:
        return ["  nothing found"]
    return [
        f"{row(**each)}, column {each['x']:.1f}, row {each['y']:.1f}{_whose(each)}"
        for each in result.answer
    ]


def _whose(each: dict[str, Any]) -> str:
    return "" if each.get("person") is None else f", person {each['person']}"


def _draw(model: keras.Model, result: Result, path: Path) -> Path:
    from keras_fcn.inference.parts import BODIES
    from keras_fcn.preprocessing.images import visible
    from keras_fcn.visualize import draw_keypoints, save_png

    body = BODIES.get(model.outputs[0].shape[-1])
    limbs = [] if body is None else [(x.start, x.end) for x in body.limbs if x.drawn]
    save_png(made_place(path, result), draw_keypoints(visible(result.pixels), result.answer, limbs))
    return path
