"""`keras-fcn predict`: classes of images, or maps of classes over them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.cli import net_options, preparation_options
from keras_fcn.cli.flags import flag
from keras_fcn.cli.loading import model_loader, require_files
from keras_fcn.cli.startup import start_tensorflow
from keras_fcn.loading.names import KINDS

if TYPE_CHECKING:
    import keras
    import numpy as np

SUMMARY = (
    "Say what images show. A classifier prints its five best classes, a detector the boxes that "
    "it finds; a fully convolutional network prints the best class of its map and draws where it "
    "scores. An image that cannot be read is named, and the next ones follow."
)
EXAMPLE = "keras-fcn predict cat.jpg --model caffenet_fcn --weights caffenet.h5 -o out"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="PNG, JPEG, ...")
    parser.add_argument("--model", metavar="M", required=True, help=KINDS)
    parser.add_argument("--weights", metavar="W", help="an .h5 of the converter or a .caffemodel")
    parser.add_argument(
        *("-o", "--output"), metavar="DIR", default=".", help="folder for what is written of maps"
    )
    parser.add_argument(
        "--class", dest="wanted", metavar="CLASS", help="name or index to draw, not the best class"
    )
    parser.add_argument(
        "--npy", action="store_true", help="also write the best class of each cell, IMAGE_map.npy"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    network = parser.add_argument_group("network of a prototxt")
    net_options.add_arguments(network, outputs=True)
    preparation_options.add_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Predict each image; print its classes, write what its map gives.

    Raises:
        CaffeError: a file is wrong, or an output cannot be written.
        OSError: a file cannot be read.
        ValueError: an option, an image or the model does not suit.
    """
    require_files(*options.images)
    _require_different_stems(options.images)
    load = model_loader(options.model, options.weights, net_options.given(options))
    load = preparation_options.prepared(load, options)
    start_tensorflow(options.debug)
    from keras_fcn.inference.prediction import model_preprocessing, read_input

    model = load()
    task = _task(model, options)
    channels = model_preprocessing(model).channels
    bad = []
    for path in options.images:
        try:
            image = read_input(path, channels)
        except (CaffeError, OSError, ValueError) as error:
            if len(options.images) == 1:
                raise
            print(f"error: {error}", file=sys.stderr)
            bad.append(path)
            continue
        _predict(model, path, image, task, options)
    if bad:
        raise ValueError(
            f"{len(bad)} of {len(options.images)} images cannot be read: {', '.join(bad)}"
        )


def _task(model: keras.Model, options: argparse.Namespace) -> str:
    """Task of the model: classes, a map or detections.

    Raises:
        ValueError: something else, or a vector that nobody says is of classes.
    """
    from keras_fcn.core.card import card_of
    from keras_fcn.graph.ends import output_names
    from keras_fcn.inference.tasks import find_task

    task = find_task(model)
    if task.kind == "other" and len(model.outputs) > 1:
        raise ValueError(
            f"predict takes one output, the model gives {', '.join(output_names(model))}; of a "
            "prototxt, --output-blob takes any blob, such as the scores that a loss reads. "
            f"Received: {model.name}"
        )
    if task.kind in ("other", "boxes"):
        raise ValueError(
            f"predict is for networks that give classes, or rows of detections; {task.why}. In "
            f"Python, model.predict gives what it computes. Received: {model.name}"
        )
    known = (options.wanted, card_of(model).classes) != (None, None)
    if task.kind == "classes" and not (task.scored or known or model.outputs[0].shape[-1] == 1000):
        raise ValueError(
            f"{task.why}, so its {model.outputs[0].shape[-1]} values may be anything; if they "
            f"are scores of classes, name them with --labels. Received: {model.name}"
        )
    return task.kind


def _require_different_stems(images: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for image in images:
        other = seen.setdefault(Path(image).stem, image)
        if other is not image:
            raise ValueError(
                "what is written is named after the images, so they must differ in more than "
                f"folder and suffix. Received: {other} and {image}"
            )


def _predict(
    model: keras.Model,
    path: str,
    image: np.ndarray,
    task: str,
    options: argparse.Namespace,
) -> None:
    from keras_fcn.cli import results
    from keras_fcn.core.card import card_of
    from keras_fcn.inference.prediction import model_preprocessing, predict
    from keras_fcn.preprocessing.images import visible
    from keras_fcn.preprocessing.labels import class_names, find_class

    scores = predict(model, image)
    classes = card_of(model).classes
    own = None if classes is None else classes.names
    if task == "detections":
        print(path)
        results.print_detections(scores, own, image.shape[:2])
        return
    fits = own is not None and len(own) == scores.shape[-1]
    names = class_names(own if fits else None, scores.shape[-1], option=flag)
    wanted = None if options.wanted is None else find_class(options.wanted, names, option=flag)
    print(path)
    if scores.size == len(names):
        results.print_classes(scores.reshape(-1), names, wanted)
        return
    shown = results.print_map(scores, names, wanted)
    folder = Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    if options.npy:
        results.write_map(scores, folder / f"{Path(path).stem}_map.npy")
    preprocessing = model_preprocessing(model)
    seen = visible(preprocessing.inverse(preprocessing(image)))
    heat_map = folder / f"{Path(path).stem}_heat_map.png"
    results.write_heat_map(model, seen, scores[..., shown], names[shown], heat_map)
