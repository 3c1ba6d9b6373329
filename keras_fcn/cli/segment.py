"""`keras-fcn segment`: a label for each pixel of an image."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from keras_fcn.cli import net_options, preparation_options
from keras_fcn.cli.flags import flag
from keras_fcn.cli.loading import model_loader, require_files
from keras_fcn.cli.startup import start_tensorflow
from keras_fcn.loading.names import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

SUMMARY = (
    "Label each pixel of an image. Writes a PNG whose pixels are the classes, in the data set's "
    "colours, and prints what share of the image each class has."
)
EXAMPLE = "keras-fcn segment street.jpg --model dilation8_camvid -o street.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("image", metavar="IMAGE", help="PNG, JPEG, ...")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--model", metavar="M", help=KINDS)
    source.add_argument("--prototxt", metavar="P", help="the network's definition")
    parser.add_argument(
        "--weights", metavar="W", help="an .h5 of the converter, a .caffemodel, a published name"
    )
    parser.add_argument("-o", "--output", metavar="PNG", required=True, help="the labels")
    parser.add_argument(
        "--picture", metavar="PNG", help="also write the image, its classes over it, and a legend"
    )
    net_options.add_arguments(parser.add_argument_group("network of a prototxt"))
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    preparation_options.add_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Segment the image, write the labels.

    Raises:
        CaffeError: a file is wrong, or an output cannot be written.
        OSError: a file cannot be read.
        ValueError: an option, the image or the model does not suit.
    """
    require_files(options.image)
    net = net_options.given(options)
    load = model_loader(options.model or options.prototxt, options.weights, net)
    load = preparation_options.prepared(load, options)
    start_tensorflow(options.debug)
    from rich.console import Console

    from keras_fcn.core.card import card_of
    from keras_fcn.inference.prediction import model_preprocessing, read_input
    from keras_fcn.inference.segmentation import label_classes, segment
    from keras_fcn.preprocessing.images import visible
    from keras_fcn.visualize import save_labels, voc_palette

    model = load()
    image = read_input(options.image, model_preprocessing(model).channels)
    with Console(stderr=True).status(f"segmenting {options.image}"):
        labels = segment(model, image)
    classes = label_classes(model, labels, option=flag)
    own = card_of(model).classes
    palette = voc_palette(len(classes)) if own is None or own.palette is None else own.palette
    save_labels(options.output, labels, palette, ignore=None)
    _print_shares(labels, classes)
    print(f"wrote {options.output}")
    if options.picture is not None:
        from keras_fcn.visualize import save_png, segmentation_picture

        shown = visible(image)
        save_png(
            options.picture, segmentation_picture(shown, labels, classes, palette, ignore=None)
        )
        print(f"wrote {options.picture}")


def _print_shares(labels: np.ndarray, classes: Sequence[str]) -> None:
    from keras_fcn.inference.segmentation import shares

    for index, share in shares(labels):
        print(f"  {share:7.2%}  {index:4}  {classes[index]}")
