"""`keras-fcn predict`: classes of images, or maps of classes over them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.cli import net_options
from keras_fcn.cli.flags import flag
from keras_fcn.cli.loading import model_loader, require_files
from keras_fcn.cli.startup import start_tensorflow
from keras_fcn.loading.names import KINDS

if TYPE_CHECKING:
    import keras
    import numpy as np

    from keras_fcn.preprocessing import Preprocessing

SUMMARY = (
    "Say what images show. A classifier prints its five best classes, a detector the boxes that "
    "it finds; a fully convolutional network prints the best class of its map and draws where it "
    "scores. An image that cannot be read is named, and the next ones follow."
)
EXAMPLE = "keras-fcn predict cat.jpg --model caffenet_fcn --weights caffenet.h5 -o out"


def size(text: str) -> tuple[int, int]:
    """`256` or `360x480` as (height, width)."""
    numbers = [int(part) for part in text.lower().split("x")]
    if len(numbers) > 2 or min(numbers) < 1:
        raise ValueError(text)
    return numbers[0], numbers[-1]


def size_or_free(text: str) -> tuple[int, int] | str:
    """As `size`, or `free`."""
    return text if text == "free" else size(text)


def factor(text: str) -> float:
    """`255`, `0.00390625` or `1/256`."""
    return float(Fraction(text))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="PNG, JPEG, ...")
    parser.add_argument("--model", metavar="M", required=True, help=KINDS)
    parser.add_argument("--weights", metavar="W", help="an .h5 of the converter or a .caffemodel")
    parser.add_argument(
        *("-o", "--output"), metavar="DIR", default=".", help="folder for what is written of maps"
    )
    parser.add_argument("--labels", metavar="FILE", help="class names, one a line")
    parser.add_argument(
        "--class", dest="wanted", metavar="CLASS", help="name or index to draw, not the best class"
    )
    parser.add_argument(
        "--npy", action="store_true", help="also write the best class of each cell, IMAGE_map.npy"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    network = parser.add_argument_group("network of a prototxt")
    net_options.add_arguments(network, outputs=True)
    images = parser.add_argument_group("preparation of images, where it is not the model's own")
    images.add_argument(
        "--mean",
        help="subtracted: pixel values in the net's channel order (BGR) such as 104,117,123, a "
        ".npy or .binaryproto file, ilsvrc_2012, ilsvrc_2012_pixel, or none",
    )
    images.add_argument(
        "--size",
        type=size_or_free,
        metavar="HxW",
        help="resize images; a network of one size crops its input then. free keeps each image's "
        "own. By default the size that the prototxt of a classifier or detector declares",
    )
    images.add_argument("--rgb", action="store_true", help="the net takes RGB, not BGR")
    images.add_argument("--raw-scale", type=factor, metavar="X", help="white, before the mean")
    images.add_argument("--input-scale", type=factor, metavar="X", help="factor after the mean")


def run(options: argparse.Namespace) -> None:
    """Predict each image; print its classes, write what its map gives.

    Raises:
        CaffeError: a file is wrong, or an output cannot be written.
        OSError: a file cannot be read.
        ValueError: an option, an image or the model does not suit.
    """
    from keras_fcn.preprocessing.labels import read_labels

    require_files(*options.images)
    _require_different_stems(options.images)
    load = model_loader(options.model, options.weights, net_options.given(options))
    names = None if options.labels is None else read_labels(options.labels)
    changes = _changes(options)
    start_tensorflow(options.debug)
    from keras_fcn.inference.prediction import read_input
    from keras_fcn.inference.preparation import describe, describe_size, prepare_as

    model = load()
    task = _task(model, names, options)
    preprocessing = prepare_as(model, changes, options.size, option=flag)
    print(describe(preprocessing), file=sys.stderr)
    note = describe_size(model, preprocessing, option=flag)
    if note is not None:
        print(note, file=sys.stderr)
    bad = []
    for path in options.images:
        try:
            image = read_input(path, preprocessing.channels)
        except (CaffeError, OSError, ValueError) as error:
            if len(options.images) == 1:
                raise
            print(f"error: {error}", file=sys.stderr)
            bad.append(path)
            continue
        _predict(model, path, image, preprocessing, task, names, options)
    if bad:
        raise ValueError(
            f"{len(bad)} of {len(options.images)} images cannot be read: {', '.join(bad)}"
        )


def _task(model: keras.Model, names: Sequence[str] | None, options: argparse.Namespace) -> str:
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
    known = (names, options.wanted, card_of(model).classes) != (None, None, None)
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


def _changes(options: argparse.Namespace) -> dict[str, Any]:
    """The preprocessing's options that the command line, or else the weights file, sets."""
    from keras_fcn.preprocessing.told_means import checked_mean, stored_mean

    given = {
        "raw_scale": options.raw_scale,
        "input_scale": options.input_scale,
        "channel_order": "rgb" if options.rgb else None,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if options.mean is not None:
        return changes | {"mean": checked_mean(options.mean, option=flag)}
    mean = stored_mean(options.weights)
    if mean is None:
        return changes
    print(f"note: subtracting the mean stored in {options.weights}", file=sys.stderr)
    return changes | {"mean": mean}


def _predict(
    model: keras.Model,
    path: str,
    image: np.ndarray,
    preprocessing: Preprocessing,
    task: str,
    given_names: Sequence[str] | None,
    options: argparse.Namespace,
) -> None:
    from keras_fcn.cli import results
    from keras_fcn.core.card import card_of
    from keras_fcn.inference.prediction import predict
    from keras_fcn.preprocessing.images import visible
    from keras_fcn.preprocessing.labels import class_names, find_class

    keeps_size = not (preprocessing.size or preprocessing.crop)
    scores = predict(
        model, image, preprocessing=preprocessing, size=None if keeps_size else "model"
    )
    if task == "detections":
        print(path)
        results.print_detections(scores, given_names, image.shape[:2])
        return
    own = card_of(model).classes
    if given_names is None and own is not None and len(own) == scores.shape[-1]:
        given_names = own.names
    names = class_names(given_names, scores.shape[-1], option=flag)
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
    seen = visible(preprocessing.inverse(preprocessing(image)))
    heat_map = folder / f"{Path(path).stem}_heat_map.png"
    results.write_heat_map(model, seen, scores[..., shown], names[shown], heat_map)
