"""`--engine`, and the model of a command in the engine that it asks for."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_fcn.cli import net_options, preparation_options
from keras_fcn.cli.loading import model_loader
from keras_fcn.cli.startup import start_tensorflow

if TYPE_CHECKING:
    import keras

_NAMES = ("auto", "onnxruntime", "ncnn", "openvino", "tensorflow")
_FILES = (".onnx", ".param")
_OF_KERAS = ("labels", "palette", "anchors")
"""Options that are checked against the layers of a Keras model."""


def add_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(
        "--engine",
        choices=_NAMES,
        help="what computes: auto is the fastest for the network; of a prototxt with a caffemodel, "
        "an .onnx and a .param TensorFlow is not loaded then",
    )


def prepared_model(options: argparse.Namespace) -> keras.Model:
    """The model that a command asks for, which knows what the command line says.

    Raises:
        CaffeError: a file is wrong, or the engine cannot run the network.
        OSError: there is no such file.
        ValueError: an option does not suit.
    """
    path = Path(options.model)
    of_engine = path.suffix.lower() in _FILES and path.is_file()
    if of_engine:
        options.engine = options.engine or "auto"
    load: Callable[[], Any] | None = None
    if not of_engine:
        load = model_loader(options.model, options.weights, net_options.given(options))
    told = [name for name in _OF_KERAS if getattr(options, name, None) is not None]
    if of_engine and told:
        raise ValueError(f"--{told[0]}: {path} does not tell its layers; give the prototxt")
    if options.engine not in (None, "tensorflow") and not told:
        fast = _of_files(path, options)
        if fast is not None:
            return preparation_options.prepared(lambda: fast, options)()
    assert load is not None
    load = preparation_options.prepared(load, options)
    start_tensorflow(options.debug)
    model = load()
    if options.engine is None:
        return model
    from keras_fcn.inference.optimizing import optimize_for_inference

    return optimize_for_inference(model, engine=options.engine)


def _of_files(path: Path, options: argparse.Namespace) -> Any:
    """The model of files that need no Keras; None: they do, or the engine cannot run it."""
    from keras_fcn.engines.kinds import Asked
    from keras_fcn.inference.files_source import of_files

    asked = Asked(options.engine)
    return of_files(path, options.weights, asked, net=net_options.given(options))
