"""What every constructor does last."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import keras

from keras_fcn.caffe.blobs.caffemodel import read_caffemodel
from keras_fcn.caffe.errors import CaffeWarning, WeightsError
from keras_fcn.caffe.keras_hdf5.writing import WeightsFile, is_weights_file
from keras_fcn.caffe.names import keras_name
from keras_fcn.core.model import CaffeFunctional, CaffeInfo, CaffeSequential
from keras_fcn.core.weights import LoadReport, load_weights
from keras_fcn.device import describe_device
from keras_fcn.layers import BatchNorm
from keras_fcn.models.tops import blob_places
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.published.cache import published_name, weights_path
from keras_fcn.published.provenance import note_source
from keras_fcn.surgery.heads import activation


class UntrainedWarning(CaffeWarning):
    """A network got the weights of another, such as a classifier's: its scores mean nothing yet."""


def finish(
    model: CaffeSequential | CaffeFunctional,
    weights: str | Path | None,
    head: str | Sequence[str] | None,
    classifier_activation: str | None,
    preprocessing: Preprocessing,
    published: str | None = None,
) -> keras.Model:
    """Add the activation, note the preprocessing, load the weights.

    Args:
        model: the network up to its logits.
        weights: a file, the name of a published model, or None.
        head: the layer that gives the logits, or all layers whose shapes follow the
            number of classes; None without a top.
        classifier_activation: see :func:`keras_fcn.surgery.heads.activation`.
        preprocessing: how images are prepared for the network.
        published: the registry's name of the weights whose classes and tiles the network
            has, where its own file does not tell.
    """
    path = None if weights is None else weights_path(weights)
    heads = (head,) if isinstance(head, str) else tuple(head or ())
    if heads and classifier_activation is not None:
        model = _activated(model, classifier_activation)
    names = (published_name(weights), published)
    blobs, contents = blob_places(model)
    model.caffe = CaffeInfo(model.name, blobs, contents=contents)
    note_source(model, path, preprocessing=preprocessing, published=names)
    if path is None:
        _start_statistics(model)
    else:
        report = _load(model, path, heads)
        untrained = [*dict.fromkeys((*report.missing, *(name for name, *_ in report.mismatched)))]
        if untrained:
            keep = "keeps its" if len(untrained) == 1 else "keep their"
            left = f"; not used: {', '.join(report.unexpected)}" if report.unexpected else ""
            warnings.warn(
                f"{weights} does not fit {', '.join(map(repr, untrained))}, which {keep} random "
                "weights: the network has to be trained for its classes. "
                f"Loaded: {', '.join(report.loaded)}{left}",
                UntrainedWarning,
                stacklevel=3,
            )
    describe_device()
    return model


def _load(model: keras.Model, path: Path, heads: Sequence[str]) -> LoadReport:
    """Loads a network's weights, or into a network of maps the body of a classifier.

    Raises:
        WeightsError: the weights do not fit; of a classifier, a layer of the body has another
            shape.
    """
    if len(model.outputs[0].shape) != 4 or any(name in _stored_names(path) for name in heads):
        return load_weights(model, path, new=heads)
    report = load_weights(model, path, strict=False)
    if any(name not in heads for name, *_ in report.mismatched):
        raise WeightsError(f"{path} does not fit model {model.name!r}.\n{report}")
    return report


def _stored_names(path: Path) -> set[str]:
    """The layers of a weights file by their names in Keras."""
    if is_weights_file(path):
        with WeightsFile(path) as file:
            return set(file)
    return set(map(keras_name, read_caffemodel(path)))


def _activated(model: CaffeSequential | CaffeFunctional, name: str) -> keras.Model:
    layer = activation(name)
    if isinstance(model, CaffeSequential):
        model.add(layer)
        return model
    return CaffeFunctional(model.inputs[0], layer(model.output), name=model.name)


def _start_statistics(model: keras.Model) -> None:
    """Caffe's variances of 0 count only once a batch was seen; 1 keeps random nets finite."""
    for layer in model.layers:
        if isinstance(layer, BatchNorm):
            layer.moving_variance.assign(keras.ops.ones_like(layer.moving_variance))
