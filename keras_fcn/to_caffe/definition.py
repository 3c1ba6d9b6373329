"""Models that still are what their prototxt says."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras

from keras_fcn.builder.graph import living_blobs
from keras_fcn.caffe.definition import LayerDefinition, ParamSpec, StateRule
from keras_fcn.caffe.errors import CaffeWarning
from keras_fcn.caffe.net.network import Layer
from keras_fcn.caffe.surgery import Params, TrainedNet, resize
from keras_fcn.caffe.surgery.net import rebuilt
from keras_fcn.core.card import card_of
from keras_fcn.core.definition import defined_network
from keras_fcn.layers.tied import Tied


def from_definition(
    model: keras.Model, input_shapes: Mapping[str, Sequence[int]] | None = None
) -> TrainedNet | None:
    """The net of a model that `keras_fcn.from_caffe` built, with the model's weights.

    The model lacks layers that only a Silence reads, and so their weights; where there are
    any, these layers are left out with a `convert.CaffeWarning`.

    Returns:
        None where the model carries no definition, or its layers have changed since.
    """
    network = defined_network(model)
    if network is None:
        return None
    blobs = {}
    layers = {layer.name: layer for layer in model.layers}
    for layer in network.layers:
        keras_layer = layers.get(layer.keras_name)
        if keras_layer is None or not keras_layer.weights:
            continue
        if layer.weight_shapes or not layer.params.tells_weights:
            blobs[layer.name] = layer.caffe_blobs(_arrays(keras_layer))
    net = TrainedNet(network, Params(blobs))
    if any(layer.weight_shapes and layer.name not in blobs for layer in network.layers):
        net = _without_silenced(net, blobs)
    net = _with_trained(net, layers, blobs)
    net = _with_frozen(net, layers, blobs)
    names = {tensor.name: tensor.name for tensor in model.inputs} | dict(card_of(model).inputs)
    shapes = {names.get(name, name): shape for name, shape in (input_shapes or {}).items()}
    return resize(net, shapes) if shapes else net


def _arrays(layer: keras.layers.Layer) -> list[Any]:
    if not isinstance(layer, Tied):
        return [keras.ops.convert_to_numpy(weight) for weight in layer.weights]
    return [
        keras.ops.convert_to_numpy(used).reshape(own.shape)
        for own, used in zip(layer.layer.weights, layer.used_weights, strict=True)
    ]


def _with_trained(
    net: TrainedNet, layers: Mapping[str, keras.layers.Layer], blobs: Mapping[str, Sequence[Any]]
) -> TrainedNet:
    """The net with learning rates for parameters that are not frozen in Keras any more."""
    trained = {
        id(layer.definition): {
            index
            for index, (spec, weight) in enumerate(
                zip(layer.param_specs, layers[layer.keras_name].weights, strict=False)
            )
            if spec.lr_mult == 0 and weight.trainable
        }
        for layer in net.network.layers
        if layer.name in blobs
    }
    definitions = tuple(
        _trained(layer, trained.get(id(layer), set())) for layer in net.network.definition.layers
    )
    if definitions == net.network.definition.layers:
        return net
    return rebuilt(net, replace(net.network.definition, layers=definitions), blobs)


def _trained(layer: LayerDefinition, indices: Collection[int]) -> LayerDefinition:
    specs = enumerate(layer.param_specs)
    new = [replace(spec, lr_mult=1.0) if i in indices else spec for i, spec in specs]
    return replace(layer, param_specs=tuple(new)) if indices else layer


def _with_frozen(
    net: TrainedNet, layers: Mapping[str, keras.layers.Layer], blobs: Mapping[str, Sequence[Any]]
) -> TrainedNet:
    """The net with no learning rates for layers that were frozen in Keras since."""
    counts = {
        id(layer.definition): len(blobs[layer.name])
        for layer in net.network.layers
        if layer.name in blobs
        and not layers[layer.keras_name].trainable
        and not getattr(layer.params, "frozen", False)  # which says it already
    }
    definitions = tuple(
        _frozen(layer, counts.get(id(layer), 0)) for layer in net.network.definition.layers
    )
    if definitions == net.network.definition.layers:
        return net
    return rebuilt(net, replace(net.network.definition, layers=definitions), blobs)


def _frozen(layer: LayerDefinition, count: int) -> LayerDefinition:
    """A layer that does not train its first parameters."""
    specs = [*layer.param_specs, *[ParamSpec()] * (count - len(layer.param_specs))]
    still = [replace(spec, lr_mult=0.0, decay_mult=0.0) for spec in specs[:count]]
    return replace(layer, param_specs=(*still, *specs[count:])) if count else layer


def _without_silenced(net: TrainedNet, blobs: Mapping[str, Sequence[Any]]) -> TrainedNet:
    """The net without the layers that lead to no output.

    One that another phase reads stays in the text and is excluded from this phase.
    """
    network = net.network
    alive = living_blobs(network)
    dead = {id(layer) for layer in network.layers if not alive & {top.key for top in layer.tops}}
    kept = {id(layer.definition): layer for layer in network.layers}
    others = {x for y in network.definition.layers if id(y) not in kept for x in y.bottoms}
    definitions: list[LayerDefinition] = []
    gone = []
    for definition in network.definition.layers:
        layer = kept.get(id(definition))
        if layer is None or id(layer) not in dead:
            definitions.append(definition)
            continue
        if not layer.tops:
            definition = _silent(definition, layer, alive)
        if not layer.tops and definition.bottoms:
            definitions.append(definition)
            continue
        gone.append(layer.name)
        if others & set(definition.tops) and not (definition.include or definition.exclude):
            rule = StateRule(phase=network.state.phase)
            definitions.append(replace(definition, exclude=(rule,)))
    warnings.warn(
        f"model {network.name!r}: layers {', '.join(gone)}, which lead to no output, are not in "
        "the Keras model, nor are their weights; they are left out of the Caffe net",
        CaffeWarning,
        stacklevel=5,
    )
    return rebuilt(net, replace(network.definition, layers=tuple(definitions)), blobs)


def _silent(definition: LayerDefinition, layer: Layer, alive: set[Any]) -> LayerDefinition:
    """A layer without tops that reads only what is still there."""
    bottoms = tuple(blob.name for blob in layer.bottoms if blob.key in alive)
    if len(bottoms) == len(layer.bottoms):
        return definition
    fields = definition.fields.without("hdf5_output_param")
    return replace(definition, type="Silence", bottoms=bottoms, fields=fields)
