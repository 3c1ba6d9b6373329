"""Loaders of each kind of model."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import keras

from keras_fcn import models
from keras_fcn.builder import from_caffe
from keras_fcn.caffe.blobs.caffemodel import CaffeModel
from keras_fcn.caffe.blobs.keras_hdf5 import WeightsFile
from keras_fcn.caffe.blobs.weights import OpenWeights, open_weights
from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.io.hdf5_input import Hdf5File
from keras_fcn.caffe.io.source import SourceFile
from keras_fcn.caffe.names import keras_name
from keras_fcn.core.card import SAVED_MODEL_CARD, Card
from keras_fcn.core.leaves import leaves
from keras_fcn.core.loaded import note_loaded
from keras_fcn.core.model import CaffeFunctional
from keras_fcn.core.stored_cards import read_card
from keras_fcn.core.weights import load_weights
from keras_fcn.errors import ModelError, plain_reason, require_tensorflow
from keras_fcn.models.construction import UntrainedWarning
from keras_fcn.published import identify, published_model
from keras_fcn.published.cache import opened_weights, published_name
from keras_fcn.published.provenance import note_source

__all__ = [
    "keras_file",
    "prototxt",
    "published_network",
    "saved_model",
    "weights_file",
    "zoo_network",
]

Weights: TypeAlias = "str | Path | OpenWeights | None"


def zoo_network(name: str, weights: Weights, trained_only: bool = False) -> keras.Model:
    """A network of `keras_fcn.models`, of as many classes as its weights have.

    Raises:
        WeightsError: they belong to another network; or leave layers untrained, where only
            trained networks are asked for.
    """
    constructor = getattr(models, name)
    if weights is None:
        return constructor()
    with opened_weights(weights) as stored:
        classes = _classes(stored, constructor)
        given = {} if classes is None else {"classes": classes}
        try:
            with warnings.catch_warnings():
                if trained_only:
                    warnings.simplefilter("error", UntrainedWarning)
                model = constructor(weights=stored, **given)
        except UntrainedWarning as error:
            raise WeightsError(
                f"{error}. Train it first: keras-fcn train takes these weights to begin with"
            ) from error
        if published_name(weights) is not None:
            note_source(model, stored, published=(published_name(weights),))
    return model


def published_network(name: str, weights: Weights = None) -> keras.Model:
    """A published network, with its own weights or those of a file."""
    entry = published_model(name)
    with opened_weights(name if weights is None else weights) as stored:
        model = getattr(models, entry.constructor)(weights=stored, **entry.options)
        note_source(model, stored, published=(name,))
    return model


def prototxt(path: Path, weights: Weights, net: Mapping[str, Any]) -> keras.Model:
    """A network of Caffe, with weights or Caffe's fillers."""
    return from_caffe(path, weights, **net)


def weights_file(path: Path, net: Mapping[str, Any]) -> keras.Model:
    """The network of a weights file: a published one, known by its hash, or the one it carries.

    Raises:
        CaffeError: the file holds weights only, of no published network.
    """
    if _is_keras_model(path):
        if net:
            raise ValueError(f"{', '.join(net)}: for a network of Caffe. Received: {path}")
        return _of_keras(path)
    with open_weights(path) as stored:
        identity = None if net else identify(stored)
        if identity is not None and identity.entry.constructor:
            return published_network(identity.entry.name, stored)
        phase = "TEST" if isinstance(stored, WeightsFile) else None
        return from_caffe(None, stored, **{"phase": phase, **net})


def keras_file(path: Path, weights: Weights) -> keras.Model:
    """A model that Keras has saved, with other weights where there are some."""
    model = _of_keras(path)
    note_loaded(leaves(model), path)
    with opened_weights(weights) as stored:
        if stored is not None:
            load_weights(model, stored)
            note_source(model, stored, published=(published_name(weights),))
    return model


def _of_keras(path: Path) -> keras.Model:
    """A model that Keras has saved.

    Raises:
        ModelError: the file is damaged, or holds layers that are not known.
    """
    if path.suffix == ".keras" and not zipfile.is_zipfile(path):
        raise ModelError(f"{path} is no .keras file, or the end of it is missing")
    try:
        return keras.models.load_model(path)
    except MemoryError:
        raise
    except Exception as error:  # Keras', zipfile's and h5py's have no common class
        raise ModelError(f"cannot load {path}: {plain_reason(error)}") from error


def saved_model(path: Path) -> keras.Model:
    """A SavedModel's default signature as a model of one input and one output, with its card.

    Raises:
        ValueError: it is damaged, has no such signature, or a card that cannot be read.
        BackendError: Keras does not run on TensorFlow.
    """
    require_tensorflow(f"the SavedModel {path}", "load the .keras or Caffe file that it is of")
    import tensorflow as tf

    try:
        signatures = tf.saved_model.load(str(path)).signatures
    except (OSError, RuntimeError, ValueError, tf.errors.OpError) as error:
        raise ModelError(f"cannot load the SavedModel {path}: {plain_reason(error)}") from error
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
    return CaffeFunctional(image, output, name=path.name, card=_stored_card(path))


def _stored_card(path: Path) -> Card:
    file = path / SAVED_MODEL_CARD
    if not file.is_file():
        return Card()
    return read_card(file.read_text("utf-8"), str(file))


def _is_keras_model(path: Path) -> bool:
    """Whether an HDF5 file holds a whole model, as older versions of Keras saved them."""
    with SourceFile(path) as source:
        if not source.is_hdf5:
            return False
        with Hdf5File(source) as file:
            return "model_config" in file.root.attrs


def _classes(weights: OpenWeights | None, constructor: Callable[..., keras.Model]) -> int | None:
    """The classes of a weights file for a network: the outputs of the file's last layer.

    None where that is no layer of the network, as the last of a classifier is none of a
    segmentation network, or has no bias: an upsampling, say.
    """
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
