"""``keras-fcn predict``: classes of images, or maps of classes over them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convert import net_options
from keras_fcn.cli import labels
from keras_fcn.cli.constructors import KINDS
from keras_fcn.cli.loading import model_loader, require_files
from keras_fcn.cli.startup import start_tensorflow

if TYPE_CHECKING:
    import keras

    from keras_fcn.preprocessing import Preprocessing

SUMMARY = (
    "Say what images show. A classifier prints its five best classes; a fully convolutional "
    "network prints the best class of its map and draws where it scores."
)
EXAMPLE = "keras-fcn predict cat.jpg --model caffenet_fcn --weights caffenet.h5 -o out"


def size(text: str) -> tuple[int, int]:
    """``256`` or ``360x480`` as (height, width)."""
    numbers = [int(part) for part in text.lower().split("x")]
    if len(numbers) > 2 or min(numbers) < 1:
        raise ValueError(text)
    return numbers[0], numbers[-1]


def factor(text: str) -> float:
    """``255``, ``0.00390625`` or ``1/256``."""
    return float(Fraction(text))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="PNG, JPEG, ...")
    parser.add_argument("--model", metavar="M", required=True, help=KINDS)
    parser.add_argument("--weights", metavar="W", help="an .h5 of the converter or a .caffemodel")
    parser.add_argument("-o", "--output", metavar="DIR", default=".", help="folder for the files")
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
        "--size", type=size, metavar="HxW", help="resize images; a classifier crops its input then"
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
    require_files(*options.images)
    _require_different_stems(options.images)
    load = model_loader(options.model, options.weights, net_options.given(options))
    names = None if options.labels is None else labels.read_labels(options.labels)
    changes = _changes(options)
    start_tensorflow(options.debug)
    from keras_fcn.cli.preparation import describe, prepare_as

    model = load()
    preprocessing = prepare_as(model, changes, options.size)
    print(describe(preprocessing), file=sys.stderr)
    for image in options.images:
        _predict(model, image, preprocessing, names, options)


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
    from keras_fcn.cli.preparation import checked_mean, stored_mean

    given = {
        "raw_scale": options.raw_scale,
        "input_scale": options.input_scale,
        "channel_order": "rgb" if options.rgb else None,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if options.mean is not None:
        return changes | {"mean": checked_mean(options.mean)}
    mean = stored_mean(options.weights)
    if mean is None:
        return changes
    print(f"note: subtracting the mean stored in {options.weights}", file=sys.stderr)
    return changes | {"mean": mean}


def _predict(
    model: keras.Model,
    path: str,
    preprocessing: Preprocessing,
    given_names: Sequence[str] | None,
    options: argparse.Namespace,
) -> None:
    from keras_fcn.cli import results
    from keras_fcn.images import visible
    from keras_fcn.prediction import predict, read_input

    image = read_input(path, preprocessing.channels)
    scores = predict(model, image, preprocessing=preprocessing)
    names = labels.class_names(given_names, scores.shape[-1])
    wanted = None if options.wanted is None else labels.find_class(options.wanted, names)
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
