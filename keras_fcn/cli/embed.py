"""`keras-fcn embed`: values of a layer for images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_fcn.cli import pictures
from keras_fcn.cli.flags import flag
from keras_fcn.cli.output_names import made_place
from keras_fcn.cli.pictures import Task

if TYPE_CHECKING:
    import keras

    from keras_fcn.inference.jobs import Result

SUMMARY = (
    "Write the values of a layer for images: features for search, clusters or another classifier. "
    "Prints the shape and the largest value of each image's."
)
EXAMPLE = "keras-fcn embed photos --model caffenet --weights caffenet.h5 --layer fc7 -o features"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    pictures.add_arguments(parser)
    parser.add_argument(
        "--layer",
        metavar="NAME",
        help="a blob or a layer; by default what the layer that scores classes reads",
    )
    parser.add_argument("-o", "--output", metavar="DIR", help="write the values, as IMAGE.npy")


def run(options: argparse.Namespace) -> int:
    """Write the values; see `keras_fcn.cli.pictures.run`."""
    return pictures.run(options, _make)


def _make(model: keras.Model, options: argparse.Namespace, _: bool) -> Task:
    return task(model, options)


def task(model: keras.Model, options: argparse.Namespace) -> Task:
    """The command's task."""
    from keras_fcn.inference.embedding import embedding
    from keras_fcn.inference.prediction import model_preprocessing

    job = embedding(model, model_preprocessing(model), layer=options.layer, option=flag)
    folder = None if options.output is None else Path(options.output)

    def write(result: Result, name: str) -> list[Path]:
        return [] if folder is None else [_save(result, folder / f"{name}.npy")]

    return Task(job, _lines, _record, write)


def _lines(result: Result) -> list[str]:
    values = result.answer
    return [f"  {' x '.join(map(str, values.shape))} values, the largest {values.max():.4g}"]


def _record(result: Result) -> dict[str, Any]:
    return {"shape": list(result.answer.shape), "features": result.answer.tolist()}


def _save(result: Result, path: Path) -> Path:
    import numpy as np

    from keras_fcn.caffe.io.files import atomic_write

    with atomic_write(made_place(path, result)) as file:
        np.save(file, result.answer)
    return path
