"""Content of every blob after a forward pass, as pycaffe's `net.blobs` shows it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_fcn.core.card import card_of
from keras_fcn.core.model import CaffeFunctional
from keras_fcn.graph.calls import calls
from keras_fcn.inference.optimized import InferenceModel
from keras_fcn.inference.probes import probe, single
from keras_fcn.preprocessing.input_arrays import check_shape, described


def to_channels_last(array: np.ndarray) -> np.ndarray:
    """Caffe's (N, C, ...) -> Keras' (N, ..., C); arrays of one or two axes stay."""
    return np.moveaxis(array, 1, -1) if array.ndim > 2 else array


def to_caffe_order(array: np.ndarray) -> np.ndarray:
    """Keras' (N, ..., C) -> Caffe's (N, C, ...); arrays of one or two axes stay."""
    return np.moveaxis(array, -1, 1) if array.ndim > 2 else array


def blobs(
    model: keras.Model, inputs: np.ndarray | Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Every blob of a network for one batch.

    As in pycaffe this is a pass in the network's phase: one loaded for `"TRAIN"` drops
    out, normalizes by the batch and updates the stored statistics. Any other model runs
    with `training=False`. The second call for a size of the inputs compiles the pass, which
    takes longer than the pass itself; it is kept with the model.

    Args:
        model: a model from `keras_fcn.from_caffe`, a constructor of this package, or
            what surgery made of one (blobs have Caffe's names); or any other functional or
            sequential model (blobs have their layers' names).
        inputs: the input blob, or input name -> blob; in Caffe's axis order, as the
            results are.

    Returns:
        Blob name -> array. Where layers work in place, the blob's final content.

    Raises:
        ValueError: an input is missing, is not one of the model's, or has other axes.
        TypeError: a path is given, or a network of `keras_fcn.optimize_for_inference`.
    """
    if isinstance(model, InferenceModel):
        raise TypeError(
            "an optimized network gives its outputs alone; blobs takes the model that it was made "
            f"of. Received: {model!r}"
        )
    fed = keras_inputs(model, inputs)
    tensors = tensors_of(model)
    card = card_of(model)
    training = card.phase == "TRAIN"
    values = pass_values(probe(model, list(tensors.values())), single(fed), training)
    found = {
        key: np.asarray(to_caffe_order(keras.ops.convert_to_numpy(value)), order="C")
        for key, value in zip(tensors, values, strict=True)
    }
    for name, place in card.contents.items():
        found[name] = found[tuple(place)].reshape(found[name].shape)
    return {name: value for name, value in found.items() if isinstance(name, str)}


def pass_values(whole: CaffeFunctional, inputs: Any, training: bool) -> list[Any]:
    """The outputs of a pass, as a flat list; the second one for a size compiles it."""
    # But for training, a call of the model asks for a compiled pass; twice would be once too often.
    outputs = whole.compiled_pass(inputs, training, kept_only=not training)
    if outputs is None:
        outputs = whole(inputs, training=training)
    return list(keras.tree.flatten(outputs))


def keras_inputs(
    model: keras.Model, inputs: np.ndarray | Mapping[str, np.ndarray]
) -> list[np.ndarray]:
    """An array for each input of a model, channels-last, from arrays in Caffe's axis order.

    See `blobs`. The input that a network without inputs has gets a zero.
    """
    if isinstance(inputs, str | Path):
        raise TypeError(
            "blobs takes arrays in Caffe's axis order; a prepared image is "
            f"preprocessing(load_image(path)). Received: {str(inputs)!r}"
        )
    names = _input_names(model)
    wanted = [name for name in names if name]
    if not isinstance(inputs, Mapping):
        if len(wanted) != 1:
            raise ValueError(f"the model has inputs {wanted}. Received: one array")
        inputs = {wanted[0]: inputs}
    if set(inputs) != set(wanted):
        raise ValueError(f"the model has inputs {wanted}. Received: inputs={sorted(inputs)}")
    arrays = []
    for name, tensor in zip(names, model.inputs, strict=True):
        array = np.asarray(inputs[name] if name else [0], np.float32)
        if name and len(tensor.shape) > 2 and array.ndim != len(tensor.shape):
            # Turned, an array of other axes would be told in an order that it never had.
            raise ValueError(
                f"input {name!r} takes {described(tensor.shape, caffe=True)}, Caffe's axes. "
                f"Received: shape {array.shape}"
            )
        array = to_channels_last(array)
        if name:
            check_shape(name, tuple(tensor.shape), array.shape, caffe=True)
        arrays.append(array)
    return arrays


def _input_names(model: keras.Model) -> list[str]:
    """Blob names of the inputs; a legacy net's input layer has another name than its blob.

    `""` for one that stands for no blob.
    """
    blob_of = card_of(model).inputs
    return [blob_of.get(tensor.name, tensor.name) for tensor in model.inputs]


def tensors_of(model: keras.Model) -> dict[Any, keras.KerasTensor]:
    """Tensors by blob name, and by place those that hold other blobs' contents."""
    made: dict[tuple[str, int], keras.KerasTensor] = {}
    for call in calls(model):  # layers may stand in other models, too
        if isinstance(call.operation, keras.layers.Layer):
            for index, tensor in enumerate(call.outputs):
                made.setdefault((call.operation.name, index), tensor)
    card = card_of(model)
    if not card.blobs:
        return {f"{name}_{index}" if index else name: x for (name, index), x in made.items()}
    places: dict[Any, Any] = {**card.blobs, **{place: place for place in card.contents.values()}}
    return {key: made[place] for key, place in places.items() if place in made}
