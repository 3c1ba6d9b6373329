"""Models that still are what their prototxt says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from convert import prototxt
from convert.assembly import build_network
from convert.network import NetState, Network
from convert.surgery import Params, TrainedNet, resize
from keras_fcn.builder.definition import fingerprint
from keras_fcn.layers.tied import Tied


def from_definition(
    model: keras.Model, input_shapes: Mapping[str, Sequence[int]] | None = None
) -> TrainedNet | None:
    """The net of a model that :func:`keras_fcn.from_caffe` built, with the model's weights.

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
        if keras_layer is not None and layer.weight_shapes:
            blobs[layer.name] = layer.caffe_blobs(_arrays(keras_layer))
    net = TrainedNet(network, Params(blobs))
    names = {tensor.name: tensor.name for tensor in model.inputs} | dict(model.caffe.inputs)
    shapes = {names.get(name, name): shape for name, shape in (input_shapes or {}).items()}
    return resize(net, shapes) if shapes else net


def defined_network(model: keras.Model) -> Network | None:
    """The network of the prototxt that a model carries; None where it is not that any more."""
    definition = getattr(getattr(model, "caffe", None), "definition", None)
    if not definition or definition["fingerprint"] != fingerprint(model):
        return None
    state = NetState(definition["phase"], definition["level"], tuple(definition["stages"]))
    return build_network(
        prototxt.parse_net(definition["prototxt"], model.name).message,
        path=f"model {model.name!r}",
        state=state,
        dialect=definition["dialect"],
        shapes=definition["shapes"],
        known={name: tuple(shape) for name, shape in definition.get("inputs", {}).items()},
        outputs=definition.get("outputs"),
    )


def _arrays(layer: keras.layers.Layer) -> list[Any]:
    if not isinstance(layer, Tied):
        return [keras.ops.convert_to_numpy(weight) for weight in layer.weights]
    return [
        keras.ops.convert_to_numpy(used).reshape(own.shape)
        for own, used in zip(layer.layer.weights, layer.used_weights, strict=True)
    ]
