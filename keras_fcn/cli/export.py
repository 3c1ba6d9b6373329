"""`keras-fcn export`: a model in a form that other programs load."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_fcn.caffe.names import net_files
from keras_fcn.cli import litert_options, net_options, onnx_options, preparation_options
from keras_fcn.cli.flags import flag
from keras_fcn.cli.loading import model_loader
from keras_fcn.cli.startup import start_tensorflow
from keras_fcn.exporting.formats import FORMATS, export_format
from keras_fcn.loading.names import CONSTRUCTORS

if TYPE_CHECKING:
    import keras

SUMMARY = (
    "Write a network as SavedModel, ONNX, ncnn, LiteRT, Keras file or source, or prototxt and "
    "caffemodel."
)
EXAMPLE = "keras-fcn export caffenet_fcn --weights caffenet.h5 -o caffenet.onnx"

_OF_FORMATS = {"stock": ("keras",), "preprocessing_inside": ("saved_model", "onnx")}
"""Option -> the formats that have it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("model", help=f"{', '.join(CONSTRUCTORS)}, a .keras file or a prototxt")
    parser.add_argument("--weights", metavar="FILE", help="an .h5 of the converter or a caffemodel")
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help="file or folder")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="by default what OUT ends in: .onnx, .param (ncnn), .tflite, .keras, .caffemodel, "
        ".prototxt, .py, or nothing for a SavedModel folder",
    )
    parser.add_argument(
        "--stock",
        action="store_true",
        help="a .keras file of Keras' own classes alone, which loads without keras-fcn",
    )
    parser.add_argument(
        "--preprocessing-inside",
        action="store_true",
        help="a SavedModel with a second signature, images, which takes uint8 images of any size "
        "and prepares them itself; an ONNX file that takes them so",
    )
    parser.add_argument(
        "--fully-convolutional",
        action="store_true",
        help="a classifier cast to a network that gives a map of classes for images of any size: "
        "inner products become convolutions, named <layer>-conv",
    )
    network = parser.add_argument_group("network of a prototxt")
    net_options.add_arguments(network, outputs=True)
    preparation_options.add_arguments(parser)
    onnx_options.add_arguments(parser)
    litert_options.add_arguments(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def run(options: argparse.Namespace) -> None:
    """Load the model and write it.

    Raises:
        CaffeError: a file is wrong, or the output cannot be written.
        ValueError: the model or the name of the output does not suit.
    """
    if (Path(options.model) / "saved_model.pb").is_file():
        raise ValueError(
            "a SavedModel is exported already; give the model it was made from. "
            f"Received: {options.model}"
        )
    form = export_format(options.output, options.format)
    for option, only in _OF_FORMATS.items():
        if getattr(options, option) and form not in only:
            formats = " or ".join(only)
            raise ValueError(f"{flag(option)} is for --format {formats} only. Received: {form}")
    onnx = onnx_options.given(options, form, checked=FORMATS)
    litert = litert_options.given(options, form)
    fixes = form in ("caffe", "code") or options.stock
    shape = (options.crop or options.size) if fixes else None
    if shape == "free":
        raise ValueError(
            "--size of a prototxt, of source and of a stock file is HxW, such as 227x227. "
            "Received: --size free"
        )
    if shape is not None and not options.crop:  # which the network has, whatever images are known
        options.size = None
    net = net_options.given(options)
    if form in ("onnx", "ncnn", "litert") and net.get("input_shapes"):
        onnx["input_shapes"] = net["input_shapes"]
        if options.model in CONSTRUCTORS or Path(options.model).suffix == ".keras":
            del net["input_shapes"]  # which is for the file alone: the model has its inputs
    load = model_loader(options.model, options.weights, net)
    load = preparation_options.prepared(load, options, needed=False)
    start_tensorflow(options.debug)
    from rich.console import Console

    import keras_fcn

    with Console(stderr=True).status(f"exporting and verifying {options.model}"):
        model = load()
        if options.fully_convolutional:
            model = keras_fcn.to_fully_convolutional(model)
        more: dict[str, Any] = {name: True for name in _OF_FORMATS if getattr(options, name)}
        more |= onnx | litert
        if shape is not None:
            more["input_shapes"] = _input_shapes(model, shape)
        verify = not options.no_check
        path = keras_fcn.export(model, options.output, form, verify=verify, **more)
    for file in net_files(path) if form == "caffe" else [path]:
        print(f"wrote {file}")


def _input_shapes(model: keras.Model, size: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """The first input's shape in Caffe's axis order."""
    image = model.inputs[0]
    return {image.name: (1, image.shape[-1], *size)}
