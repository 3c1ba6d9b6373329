"""What ``--model`` may be: a constructor's name, a .keras file, a SavedModel, a prototxt."""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_fcn.caffe.errors import WeightsError
from keras_fcn.cli.constructors import CONSTRUCTORS, KINDS

if TYPE_CHECKING:
    import keras

    from keras_fcn.caffe.blobs.weights import OpenWeights

_ENDINGS = (".keras", ".prototxt", ".txt", ".h5", ".caffemodel", ".onnx", ".pb")


def model_loader(
    model: str,
    weights: str | None,
    net: Mapping[str, Any] | None = None,
    *,
    to_train: bool = False,
) -> Callable[[], keras.Model]:
    """Find what loads a model; checks, before TensorFlow starts, that the files are there.

    Args:
        model: the command line's value.
        weights: a weights file for it.
        net: how a prototxt is read, see :func:`keras_fcn.cli.net_options.given`.
        to_train: whether the weights may be those of another network, such as a
            classifier's, that has the model's body.

    Returns:
        A function that loads the model.

    Raises:
        ValueError: the model is none of the kinds, or comes with its weights already.
        FileNotFoundError: there is no such file of a model or its weights.
    """
    from keras_fcn.hints import did_you_mean
    from keras_fcn.published import published
    from keras_fcn.published.cache import published_name

    path = Path(model)
    if net and not _is_prototxt(path, model):
        options = ", ".join(f"--{_FLAGS.get(name, name)}" for name in net)
        raise ValueError(f"{options}: for a prototxt only. Received: {model}")
    if weights is not None and published_name(weights) is None:
        require_files(weights)
    if model in published() and published()[model].constructor and not path.exists():
        return functools.partial(_construct_published, model, weights)
    if model in CONSTRUCTORS:
        return functools.partial(_construct, CONSTRUCTORS[model], weights, to_train)
    if (path / "saved_model.pb").is_file():
        if weights is not None:
            raise ValueError(
                f"a SavedModel holds its weights; leave --weights out. Received: {weights}"
            )
        return functools.partial(_load_saved_model, path)
    if not path.is_file():
        if path.suffix in _ENDINGS or len(path.parts) > 1:
            what = "a folder, but no SavedModel" if path.is_dir() else "no such file"
            raise FileNotFoundError(None, what, model)
        hint = did_you_mean(model, {*CONSTRUCTORS, *published()})
        raise ValueError(f"the model is one of: {KINDS}{hint}. Received: {model}")
    if path.suffix == ".keras":
        return functools.partial(_load_keras, path, weights)
    return functools.partial(_load_prototxt, path, weights, net or {})


_FLAGS = {"stages": "stage", "input_shapes": "input", "outputs": "output-blob"}


def _is_prototxt(path: Path, model: str) -> bool:
    return path.is_file() and path.suffix != ".keras" and model not in CONSTRUCTORS


def require_files(*paths: str) -> None:
    """Raise FileNotFoundError or IsADirectoryError for the first path that is no file."""
    for path in paths:
        if Path(path).is_dir():
            raise IsADirectoryError(None, "a folder; name its files", path)
        if not Path(path).is_file():
            raise FileNotFoundError(None, "no such file", path)


def _say_unfilled(model: str) -> None:
    print(f"note: no --weights: those of {model} are as before training", file=sys.stderr)


def _construct(name: str, weights: str | None, to_train: bool) -> keras.Model:
    from keras_fcn import models
    from keras_fcn.models.construction import UntrainedWarning
    from keras_fcn.published.cache import opened_weights, published_name
    from keras_fcn.published.provenance import note_source

    constructor = getattr(models, name)
    if weights is None:
        _say_unfilled(name)
        return constructor()
    with opened_weights(weights) as stored:
        classes = _classes(stored, constructor)
        given = {} if classes is None else {"classes": classes}
        try:
            with warnings.catch_warnings():
                if not to_train:
                    warnings.simplefilter("error", UntrainedWarning)
                model = constructor(weights=stored, **given)
        except UntrainedWarning as error:
            raise WeightsError(
                f"{error}. Train it first: keras-fcn train takes these weights to begin with"
            ) from error
        if published_name(weights) is not None:
            note_source(model, stored, published=(published_name(weights),))
    return model


def _construct_published(name: str, weights: str | None) -> keras.Model:
    """A published network, with its own weights or those of a file."""
    from keras_fcn import models
    from keras_fcn.published import published_model
    from keras_fcn.published.cache import opened_weights
    from keras_fcn.published.provenance import note_source

    entry = published_model(name)
    with opened_weights(weights or name) as stored:
        model = getattr(models, entry.constructor)(weights=stored, **entry.options)
        note_source(model, stored, published=(name,))
    return model


def _classes(weights: OpenWeights | None, constructor: Callable[..., keras.Model]) -> int | None:
    """The classes of a weights file for a network: the outputs of the file's last layer.

    None where that is no layer of the network, as the last of a classifier is none of a
    segmentation network, or has no bias: an upsampling, say.
    """
    from keras_fcn.caffe.blobs.caffemodel import CaffeModel
    from keras_fcn.caffe.names import keras_name

    if weights is None:
        return None
    if isinstance(weights, CaffeModel):
        *_, (name, last) = weights.layers.items()
        shape = last.blobs[-1].shape
        shape = shape[-1:] if shape[:-1] == (1,) * (len(shape) - 1) else shape  # legacy 1 1 1 n
    else:
        name = list(weights)[-1]
        shape = weights.shapes(name)[-1]
    name = keras_name(name).removesuffix("-conv")
    own = {layer.name.removesuffix("-conv") for layer in constructor().layers}
    return shape[0] if len(shape) == 1 and name in own else None


def _load_keras(path: Path, weights: str | None) -> keras.Model:
    import keras

    import keras_fcn
    from keras_fcn.published import weights_path

    model = keras.models.load_model(path)
    if weights is not None:
        keras_fcn.load_weights(model, weights_path(weights))
    return model


def _load_prototxt(path: Path, weights: str | None, net: Mapping[str, Any]) -> keras.Model:
    import keras_fcn

    if weights is None:
        _say_unfilled(path.name)
        return keras_fcn.from_caffe(path, **net)
    return keras_fcn.from_caffe(path, weights, **net)


def _load_saved_model(path: Path) -> keras.Model:
    """A SavedModel's default signature as a model of one input and one output."""
    import keras
    import tensorflow as tf

    from keras_fcn.core.model import CaffeFunctional

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
