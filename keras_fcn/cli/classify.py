"""`keras-fcn classify`: the best classes of images."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from keras_fcn.cli import pictures
from keras_fcn.cli.flags import flag
from keras_fcn.cli.pictures import Task

if TYPE_CHECKING:
    import keras

    from keras_fcn.inference.jobs import Result

SUMMARY = (
    "Say which classes images show. Prints the best classes of each image with their scores; the "
    "classifier may be any model, its card or --labels names the classes, --labels imagenet "
    "those of ImageNet."
)
EXAMPLE = "keras-fcn classify photos --model caffenet --weights caffenet.h5 --json classes.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    pictures.add_arguments(parser)
    add_own_arguments(parser)


def add_own_arguments(parser: argparse._ActionsContainer) -> None:
    """Add the options that this command has alone."""
    parser.add_argument("--top", type=int, default=5, metavar="N", help="how many classes, 5")


def run(options: argparse.Namespace) -> int:
    """Classify the images; see `keras_fcn.cli.pictures.run`."""
    options.output = None
    return pictures.run(options, _make)


def _make(model: keras.Model, options: argparse.Namespace, _: bool) -> Task:
    return task(model, options)


def task(model: keras.Model, options: argparse.Namespace, also: str | None = None) -> Task:
    """The command's task; `also` names a class that is told too."""
    from keras_fcn.inference.classification import classifying, names_of
    from keras_fcn.inference.prediction import model_preprocessing
    from keras_fcn.preprocessing.labels import find_class

    wanted = None
    if also is not None:
        names = names_of(model, model.outputs[0].shape[-1], None, flag)
        wanted = find_class(also, names, option=flag)
    preprocessing = model_preprocessing(model)
    job = classifying(model, preprocessing, top=options.top, also=wanted, option=flag)
    return Task(job, lines, lambda result: {"classes": result.answer})


def lines(result: Result) -> list[str]:
    """A line for each class."""
    return [row(**each) for each in result.answer]


def row(score: float, index: int, label: str, **_: object) -> str:
    """Score, index and name, as all commands print them."""
    return f"  {score:.4f}  {index:4}  {label}"
