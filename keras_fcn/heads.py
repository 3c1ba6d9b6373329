"""What stands at the end of a network: the class scores and their activation."""

from __future__ import annotations

import itertools
from typing import Any

import keras

from keras_fcn.layers import PixelwiseSoftmax
from keras_fcn.model import CaffeFunctional, CaffeInfo, CaffeSequential
from keras_fcn.new_scores import new_scores


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

    In a chain of layers the last Conv2D or Dense is replaced, and what follows it is
    dropped. In a network that branches, or upsamples its scores by weights (FCN-8s), all
    layers that make scores are replaced, and upsampling becomes bilinear; names of
    replaced layers get the number of classes.

    Args:
        model: a network that ends in scores, or their softmax.
        classes: how many classes the new layers score.
        name: name of the new layer of a chain; a name of its own, so that weights files
            of the old network do not load into it.
        classifier_activation: ``"softmax"``, a Keras activation, or None for logits.

    Raises:
        ValueError: the network ends otherwise.
    """
    if not _is_simple(model):
        return _replace_scores(model, classes, classifier_activation)
    layers = chain(model)
    body = list(layers)
    while not isinstance(body[-1], keras.layers.Conv2D | keras.layers.Dense):
        body.pop()
    old = body.pop()
    if any(layer.name == name for layer in body):
        raise ValueError(f"the network already has a layer {name!r}. Received: name={name!r}")
    if isinstance(old, keras.layers.Conv2D):
        head: Any = keras.layers.Conv2D(classes, 1, name=name)
        if old.kernel_size != (1, 1):
            head = keras.layers.Conv2D(classes, old.kernel_size, name=name)
    else:
        head = keras.layers.Dense(classes, name=name)
    tail = [] if classifier_activation is None else [activation(classifier_activation)]
    return same_kind(model, [*body, head, *tail])


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
        taken = {layer.name for layer in keras.Model(model.inputs, outputs).layers}
        outputs = activation(activated, "prob_new" if "prob" in taken else "prob")(outputs)
    info = getattr(model, "caffe", None)
    return CaffeFunctional(
        model.inputs[0] if len(model.inputs) == 1 else model.inputs,
        outputs,
        name=model.name,
        caffe=info
        and CaffeInfo(
            info.network,
            frozen=tuple(place for place in info.frozen if place[0] not in replaced),
            preprocessing=info.preprocessing,
            tiles=info.tiles,
        ),
    )


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


def same_kind(model: keras.Model, layers: list[Any], name: str | None = None) -> keras.Model:
    """A sequential model of layers, with what ``model`` knows of its preprocessing."""
    result = CaffeSequential(layers, name=name or model.name)
    info = getattr(model, "caffe", None)
    if info is not None:
        result.caffe = CaffeInfo(info.network, preprocessing=info.preprocessing)
    return result
