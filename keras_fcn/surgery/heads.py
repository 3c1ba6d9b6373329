"""What stands at the end of a network: the class scores and their activation."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import keras

from keras_fcn.core.model import CaffeFunctional, CaffeInfo, CaffeSequential
from keras_fcn.errors import ModelError, plain_reason
from keras_fcn.graph.blob_names import carried
from keras_fcn.layers import GroupedConv2D, PixelwiseSoftmax
from keras_fcn.surgery.new_scores import config_for, is_end, new_scores


def activation(name: str, layer_name: str = "prob") -> keras.layers.Layer:
    """The layer that turns logits into what the network returns, in float32.

    Args:
        name: ``"softmax"`` for the pixel-wise softmax, else a Keras activation.
        layer_name: name of the layer.
    """
    if name == "softmax":
        return PixelwiseSoftmax(name=layer_name)
    return keras.layers.Activation(name, name=layer_name, dtype="float32")


def replace_head(
    model: keras.Model,
    classes: int,
    *,
    name: str = "score",
    classifier_activation: str | None = "softmax",
) -> keras.Model:
    """A model with new layers that score other classes, on the same trained body.

    The layers before the old scores are the given model's own, weights included:
    training one trains the other. Freeze them with ``layer.trainable = False``.

    In a chain of layers the last Conv2D or Dense is replaced; what follows it stays, but
    for the activation at the end. In a network that branches, or upsamples its scores by
    weights (FCN-8s), all layers that make scores are replaced, and upsampling becomes
    bilinear; names of replaced layers get the number of classes.

    Args:
        model: a network that ends in scores, or their softmax.
        classes: how many classes the new layers score.
        name: name of the new layer of a chain; a name of its own, so that weights files
            of the old network do not load into it.
        classifier_activation: ``"softmax"``, a Keras activation, or None for logits.

    Returns:
        A model whose output has ``classes`` channels.

    Raises:
        ModelError: (a ``CaffeError`` and a ``ValueError``) the network ends otherwise: it has
            several outputs, or its classes are made of other numbers of channels; the message
            names the layer.
    """
    if classes < 1:
        raise ValueError(f"classes must be at least 1. Received: classes={classes}")
    if len(getattr(model, "outputs", None) or ()) > 1:
        raise ModelError(
            "the model must have one output, of the scores; make one of the output that you want: "
            f"keras.Model(model.inputs, model.outputs[0]). Received: {model.name!r} with "
            f"{len(model.outputs)} outputs"
        )
    if _is_simple(model):
        new = _replace_last(model, classes, name, classifier_activation)
    else:
        new = _replace_scores(model, classes, classifier_activation)
    info = getattr(model, "caffe", None)
    if info is not None:
        new.caffe = dataclasses.replace(new.caffe, size=info.size)
    if new.output_shape[-1] != classes:
        raise ModelError(
            f"the layers behind the new scores give {new.output_shape}, not {classes} classes. "
            f"Received: {model.name!r}"
        )
    return new


def _replace_last(
    model: keras.Model, classes: int, name: str, activated: str | None
) -> keras.Model:
    """A chain with another last layer of weights, of the same windows."""
    body, channels = chain(model), model.output_shape[-1]
    tail: list[Any] = []
    while not isinstance(body[-1], keras.layers.Conv2D | keras.layers.Dense):
        layer = body.pop()
        if not is_end(layer):
            tail.insert(0, type(layer).from_config(config_for(layer, channels, classes)))
    old = body.pop()
    if any(layer.name == name for layer in (*body, *tail)):
        raise ModelError(f"the network already has a layer {name!r}. Received: name={name!r}")
    if isinstance(old, keras.layers.Conv2D):
        fields = ("kernel_size", "strides", "padding", "dilation_rate", "data_format")
        windows = {field: getattr(old, field) for field in fields}
        kind = GroupedConv2D if isinstance(old, GroupedConv2D) else keras.layers.Conv2D
        head: Any = kind(classes, name=name, **windows)
    else:
        head = keras.layers.Dense(classes, name=name)
    if activated is not None:
        tail.append(activation(activated, _free("prob", (*body, *tail))))
    try:
        return same_kind(model, [*body, head, *tail], renamed={old.name: name})
    except ValueError as error:  # a layer behind is made for the old channels
        raise ModelError(f"{plain_reason(error)} Received: {model.name!r}") from error


def _free(name: str, layers: Sequence[Any]) -> str:
    return f"{name}_new" if any(layer.name == name for layer in layers) else name


def _is_simple(model: keras.Model) -> bool:
    """Whether a model is a chain whose last layer with weights is a Conv2D or a Dense."""
    try:
        weighted = [layer for layer in chain(model) if layer.weights]
    except ValueError:
        return False
    scoring = keras.layers.Conv2D | keras.layers.Dense
    return bool(weighted) and isinstance(weighted[-1], scoring)


def _replace_scores(model: keras.Model, classes: int, activated: str | None) -> keras.Model:
    outputs, replaced = new_scores(model, classes)
    if activated is not None:
        body = keras.Model(model.inputs, outputs).layers
        outputs = activation(activated, _free("prob", body))(outputs)
    info = getattr(model, "caffe", None)
    inputs = model.inputs[0] if len(model.inputs) == 1 else model.inputs
    new = CaffeFunctional(inputs, outputs, name=model.name)
    if info is not None:
        new.caffe = CaffeInfo(
            info.network,
            frozen=tuple(place for place in info.frozen if place[0] not in replaced),
            preprocessing=info.preprocessing,
            tiles=info.tiles,
            **carried(model, new, replaced),
        )
    return new


def chain(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of a model in which each reads the one before it, input first.

    Raises:
        ValueError: the model branches.
    """
    layers = list(model.layers)
    if not isinstance(model, keras.Sequential):
        for before, layer in itertools.pairwise(layers):
            if layer.input is not before.output:
                raise ValueError(
                    "the model must be one chain of layers. "
                    f"Received: {model.name!r}, where {layer.name!r} does not read {before.name!r}"
                )
    if not isinstance(layers[0], keras.layers.InputLayer):
        shape = model.input_shape[1:]
        layers.insert(0, keras.layers.InputLayer(shape, name=model.inputs[0].name))
    return layers


def same_kind(
    model: keras.Model,
    layers: list[Any],
    name: str | None = None,
    renamed: Mapping[str, str] = MappingProxyType({}),
) -> keras.Model:
    """A sequential model of layers, with what ``model`` knows of its preprocessing and blobs.

    ``renamed``: the model's layers, where they have other names now.
    """
    result = CaffeSequential(layers, name=name or model.name)
    info = getattr(model, "caffe", None)
    if info is not None:
        names = carried(model, result, renamed)
        result.caffe = CaffeInfo(info.network, preprocessing=info.preprocessing, **names)
    return result
