"""The head of a network: the class scores and their activation."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from operator import index
from typing import Any

import keras

from keras_fcn.core.blob_names import carried
from keras_fcn.core.card import Place, card_of
from keras_fcn.core.leaves import leaves
from keras_fcn.core.loaded import note_new
from keras_fcn.core.model import CaffeFunctional, CaffeSequential
from keras_fcn.errors import ModelError, plain_reason
from keras_fcn.graph.calls import check_graph
from keras_fcn.layers import GroupedConv2D, PixelwiseSoftmax
from keras_fcn.layers.initializers import Bilinear, BilinearOfEach
from keras_fcn.layers.known import entry
from keras_fcn.preprocessing.classes import Classes
from keras_fcn.surgery.new_scores import config_for, is_end, made_again, new_scores


def activation(name: str, layer_name: str = "prob") -> keras.layers.Layer:
    """The layer that turns logits into what the network returns, in float32.

    Args:
        name: `"softmax"` for the pixel-wise softmax, else a Keras activation.
        layer_name: name of the layer.
    """
    if name == "softmax":
        return PixelwiseSoftmax(name=layer_name)
    return keras.layers.Activation(name, name=layer_name, dtype="float32")


def replace_head(
    model: keras.Model,
    classes: int | Sequence[str] | Classes,
    *,
    name: str = "score",
    classifier_activation: str | None = "softmax",
) -> keras.Model:
    """A model with new layers that score other classes, on the same trained body.

    The layers before the old scores are the given model's own, weights included:
    training one trains the other. Freeze them with `layer.trainable = False`.

    In a chain of layers the last Conv2D or Dense is replaced; what follows it stays, but
    for the activation at the end. In a network that branches, or upsamples its scores by
    weights (FCN-8s), all layers that make scores are replaced, and upsampling becomes
    bilinear; names of replaced layers get the number of classes.

    Args:
        model: a network that ends in scores, or their softmax.
        classes: how many classes the new layers score; or their names; or names and colours.
        name: name of the new layer of a chain; a name of its own, so that weights files
            of the old network do not load into it.
        classifier_activation: `"softmax"`, a Keras activation, or None for logits.

    Returns:
        A model whose output has as many channels as there are classes. It keeps what it knows
        of images, tiles and frozen layers; of its classes, what `classes` tells.

    Raises:
        ValueError: no classes.
        TypeError: one name in place of several.
        ModelError: (a `CaffeError` and a `ValueError`) the network ends otherwise: it has
            several outputs, or its classes are made of other numbers of channels; the message
            names the layer.
    """
    count, named = _counted(classes)
    if count < 1:
        raise ValueError(f"classes must be at least 1. Received: classes={classes}")
    if len(getattr(model, "outputs", None) or ()) > 1:
        raise ModelError(
            "the model must have one output, of the scores; make one of the output that you want: "
            f"keras.Model(model.inputs, model.outputs[0]). Received: {model.name!r} with "
            f"{len(model.outputs)} outputs"
        )
    check_graph(model)
    if _is_simple(model):
        new, renamed = _replace_last(model, count, name, classifier_activation)
    else:
        new, renamed = _replace_scores(model, count, classifier_activation)
    if new.output_shape[-1] != count:
        raise ModelError(
            f"the layers behind the new scores give {new.output_shape}, not {count} classes. "
            f"Received: {model.name!r}"
        )
    places = carried(model, new, renamed)
    places["frozen"] = tuple(x for x in places["frozen"] if _stays_frozen(new, x, renamed))
    new.card = card_of(model).for_new_head(places, named)
    own = set(map(id, leaves(model)))
    note_new(layer for layer in leaves(new) if layer.weights and id(layer) not in own)
    return new


def _counted(classes: Any) -> tuple[int, Classes | None]:
    """Number of classes, and the classes where they have names."""
    if isinstance(classes, str):
        raise TypeError(f"classes are a number, or several names. Received: classes={classes!r}")
    if isinstance(classes, Iterable) and not isinstance(classes, Classes):
        classes = Classes(tuple(classes))
    return (len(classes), classes) if isinstance(classes, Classes) else (index(classes), None)


def _stays_frozen(new: keras.Model, place: Place, renamed: Mapping[str, str]) -> bool:
    """Whether a weight is the old one, or one of upsampling, which is bilinear anew."""
    layer = new.get_layer(place[0])
    bilinear = isinstance(getattr(layer, "kernel_initializer", None), Bilinear | BilinearOfEach)
    return place[0] not in renamed.values() or bilinear


def _replace_last(
    model: keras.Model, classes: int, name: str, activated: str | None
) -> tuple[keras.Model, Mapping[str, str]]:
    """A chain with another last layer of weights, of the same windows."""
    body, channels = chain(model), model.output_shape[-1]
    tail: list[Any] = []
    while not _scores(body[-1]):
        layer = body.pop()
        if not is_end(layer):
            tail.insert(0, made_again(layer, config_for(layer, channels, classes)))
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
        tail.append(activation(activated, free_name("prob", (*body, *tail))))
    try:
        return CaffeSequential([*body, head, *tail], name=model.name), {old.name: name}
    except ValueError as error:  # a layer behind is made for the old channels
        raise ModelError(f"{plain_reason(error)} Received: {model.name!r}") from error


def free_name(name: str, layers: Sequence[Any]) -> str:
    """A name for a layer that none of these has."""
    return f"{name}_new" if any(layer.name == name for layer in layers) else name


def _is_simple(model: keras.Model) -> bool:
    """Whether a model is a chain whose last layer with weights is a Conv2D or a Dense."""
    try:
        weighted = [layer for layer in chain(model) if layer.weights]
    except ValueError:
        return False
    return bool(weighted) and _scores(weighted[-1])


def _scores(layer: keras.layers.Layer) -> bool:
    """Whether a layer makes scores by weights as a Conv2D or a Dense does."""
    return bool(entry(layer, {keras.layers.Conv2D: True, keras.layers.Dense: True}))


def _replace_scores(
    model: keras.Model, classes: int, activated: str | None
) -> tuple[keras.Model, Mapping[str, str]]:
    """A network that branches with other layers of scores."""
    outputs, replaced = new_scores(model, classes)
    if activated is not None:
        body = keras.Model(model.inputs, outputs).layers
        outputs = activation(activated, free_name("prob", body))(outputs)
    inputs = model.inputs[0] if len(model.inputs) == 1 else model.inputs
    return CaffeFunctional(inputs, outputs, name=model.name), replaced


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
