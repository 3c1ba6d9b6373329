"""The last step of every constructor."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import keras

from keras_fcn.caffe.blobs.weights import OpenWeights
from keras_fcn.caffe.errors import CaffeWarning, WeightsError
from keras_fcn.core.card import Card, update_card
from keras_fcn.core.model import CaffeFunctional, CaffeSequential
from keras_fcn.core.weights import LoadReport, load_weights
from keras_fcn.device import describe_device
from keras_fcn.layers import BatchNorm
from keras_fcn.models.tops import blob_places
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.published.cache import opened_weights, published_name
from keras_fcn.published.identification import hash_ahead
from keras_fcn.published.provenance import note_source
from keras_fcn.surgery.heads import activation


class UntrainedWarning(CaffeWarning):
    """A network got the weights of another, such as a classifier's: its scores mean nothing yet."""


_Model = TypeVar("_Model", CaffeSequential, CaffeFunctional)


def finish(
    model: _Model,
    weights: str | Path | OpenWeights | None,
    head: str | Sequence[str] | None,
    classifier_activation: str | None,
    preprocessing: Preprocessing,
    published: str | None = None,
) -> _Model:
    """Add the activation, note the preprocessing, load the weights.

    Args:
        model: the network up to its logits.
        weights: a file, also one that is open, the name of a published model, or None.
        head: the layer that gives the logits, or all layers whose shapes follow the
            number of classes; None without a top.
        classifier_activation: see `keras_fcn.surgery.heads.activation`.
        preprocessing: how images are prepared for the network.
        published: the registry's name of the weights whose classes and tiles the network
            has, where its own file does not tell.
    """
    heads = (head,) if isinstance(head, str) else tuple(head or ())
    if heads and classifier_activation is not None:
        model = _activated(model, classifier_activation)
    names = (published_name(weights), published)
    blobs, contents = blob_places(model)
    model.card = Card(model.name, blobs, contents=contents)
    with opened_weights(weights) as stored:
        hash_ahead(stored)
        report = None if stored is None else _load(model, stored, heads)
        note_source(model, stored, preprocessing=preprocessing, published=names)
    if report is None:
        _start_statistics(model)
    else:
        _tell_untrained(model, getattr(weights, "path", weights), report)
    describe_device()
    return model


def _tell_untrained(model: keras.Model, source: Any, report: LoadReport) -> None:
    """Warn of layers that the weights do not fit."""
    untrained = [*dict.fromkeys((*report.missing, *(name for name, *_ in report.mismatched)))]
    if not untrained:
        return
    update_card(model, source=None)
    keep = "keeps its" if len(untrained) == 1 else "keep their"
    left = f"; not used: {', '.join(report.unexpected)}" if report.unexpected else ""
    warnings.warn(
        f"{source} does not fit {', '.join(map(repr, untrained))}, which {keep} random "
        "weights: the network has to be trained for its classes. "
        f"Loaded: {', '.join(report.loaded)}{left}",
        UntrainedWarning,
        stacklevel=4,
    )


def _load(model: keras.Model, weights: OpenWeights, heads: Sequence[str]) -> LoadReport:
    """Loads a network's weights, or into a network of maps the body of a classifier.

    Raises:
        WeightsError: the weights do not fit; of a classifier, a layer of the body has another
            shape.
    """
    if len(model.outputs[0].shape) != 4 or {*heads} & {*weights.keras_names()}:
        return load_weights(model, weights, new=heads)
    report = load_weights(model, weights, strict=False)
    if any(name not in heads for name, *_ in report.mismatched):
        raise WeightsError(f"{weights.path} does not fit model {model.name!r}.\n{report}")
    return report


def _activated(model: _Model, name: str) -> _Model:
    layer = activation(name)
    if isinstance(model, CaffeSequential):
        model.add(layer)
        return model
    return CaffeFunctional(model.inputs[0], layer(model.output), name=model.name)


def _start_statistics(model: keras.Model) -> None:
    """Caffe's variances of 0 count only once a batch was seen; 1 keeps random nets finite."""
    for layer in model.layers:
        if isinstance(layer, BatchNorm):
            layer.moving_variance.assign(keras.ops.ones(layer.moving_variance.shape))
