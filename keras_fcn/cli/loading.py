"""What ``--model`` may be: a constructor's name, a .keras file, a SavedModel, a prototxt."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

CONSTRUCTORS: Mapping[str, str] = {
    "caffenet": "CaffeNet",
    "caffenet_fcn": "CaffeNetFCN",
    "lenet": "LeNet",
    "lenet_fcn": "LeNetFCN",
}
"""Name on the command line -> function of ``keras_fcn.models``."""

KINDS = f"{', '.join(CONSTRUCTORS)}, a .keras file, a SavedModel folder or a prototxt"


def model_loader(model: str, weights: str | None) -> Callable[[], keras.Model]:
    """Find what loads a model; checks, before TensorFlow starts, that the files are there.

    Args:
        model: the command line's value.
        weights: a weights file for it.

    Returns:
        A function that loads the model.

    Raises:
        ValueError: the model is none of the kinds, or comes with its weights already.
        FileNotFoundError: there is no such weights file.
    """
    path = Path(model)
    if weights is not None:
        require_files(weights)
    if model in CONSTRUCTORS:
        return functools.partial(_construct, CONSTRUCTORS[model], weights)
    if (path / "saved_model.pb").is_file():
        if weights is not None:
            raise ValueError(
                f"a SavedModel holds its weights; leave --weights out. Received: {weights}"
            )
        return functools.partial(_load_saved_model, path)
    if not path.is_file():
        raise ValueError(f"the model is one of: {KINDS}. Received: {model}")
    load = _load_keras if path.suffix == ".keras" else _load_prototxt
    return functools.partial(load, path, weights)


def require_files(*paths: str) -> None:
    """Raise FileNotFoundError for the first path that is no file."""
    for path in paths:
        if not Path(path).is_file():
            raise FileNotFoundError(None, "no such file", path)


def _say_unfilled(model: str) -> None:
    print(f"note: no --weights: those of {model} are as before training", file=sys.stderr)


def _construct(name: str, weights: str | None) -> keras.Model:
    import keras_fcn

    constructor = getattr(keras_fcn, name)
    if weights is None:
        _say_unfilled(name)
        return constructor()
    model = constructor(classes=_classes(weights))
    keras_fcn.load_weights(model, weights)
    return model


def _classes(weights: str) -> int:
    """The outputs of a file's last layer; strict loading finds out where that is not the head."""
    from convert.caffemodel import read_caffemodel
    from convert.hdf5 import WeightsFile

    if Path(weights).suffix in (".h5", ".hdf5"):
        with WeightsFile(weights) as file:
            return file.shapes(list(file)[-1])[-1][-1]
    *_, last = read_caffemodel(weights).layers.values()
    return last.blobs[-1].shape[-1]


def _load_keras(path: Path, weights: str | None) -> keras.Model:
    import keras

    import keras_fcn

    model = keras.models.load_model(path)
    if weights is not None:
        keras_fcn.load_weights(model, weights)
    return model


def _load_prototxt(path: Path, weights: str | None) -> keras.Model:
    import keras_fcn

    model = keras_fcn.from_caffe(path, weights)
    if weights is None:
        _say_unfilled(path.name)
    return model


def _load_saved_model(path: Path) -> keras.Model:
    """A SavedModel's default signature as a model of one input and one output."""
    import keras
    import tensorflow as tf

    from keras_fcn.model import CaffeFunctional

    signatures = tf.saved_model.load(str(path)).signatures
    if "serving_default" not in signatures:
        raise ValueError(f"{path} needs the signature 'serving_default', has {sorted(signatures)}")
    inputs = signatures["serving_default"].structured_input_signature[1]
    outputs = signatures["serving_default"].structured_outputs
    if (len(inputs), len(outputs)) != (1, 1):
        raise ValueError(
            f"{path} must have one input and one output. "
            f"Received: inputs {sorted(inputs)}, outputs {sorted(outputs)}"
        )
    ((name, spec),) = inputs.items()
    image = keras.Input(spec.shape[1:], name=name, dtype=spec.dtype.name)
    layer = keras.layers.TFSMLayer(str(path), call_endpoint="serving_default")
    (output,) = layer(image).values()
    return CaffeFunctional(image, output, name=path.name)
