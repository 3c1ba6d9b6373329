"""Built networks for `Net`: with all layers, and for other sizes of the inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_fcn.builder import Built, built
from keras_fcn.builder.sources import is_registered_source
from keras_fcn.caffe.errors import NetworkError, UnsupportedLayerError
from keras_fcn.caffe.layers.data import Input
from keras_fcn.caffe.net import editing
from keras_fcn.caffe.net.input_shapes import with_input_shapes
from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.net.sharing import shared_places
from keras_fcn.core.card import update_card
from keras_fcn.core.model import CaffeFunctional
from keras_fcn.pycaffe.blobs import Blob, Sizes, keras_shape


def check_feeds(network: Network) -> None:
    """Refuse inputs that are not blobs.

    Raises:
        UnsupportedLayerError: a registered function makes what a layer feeds the network with.
    """
    for layer in filter(is_registered_source, network.layers):
        raise UnsupportedLayerError(
            f"{layer.place}: a registered function feeds the network, which Net cannot show as a "
            "blob; use keras_fcn.from_caffe"
        )


def whole_model(network: Built) -> CaffeFunctional:
    """A model of all layers, also of those that lead to no output.

    Raises:
        UnsupportedLayerError: one of the latter shares parameters with another layer.
    """
    model, known = network.model, {layer.name for layer in network.model.layers}
    lost = [x for x in network.network.layers if x.weight_shapes and x.keras_name not in known]
    if not lost:
        return model
    shared = shared_places(network.network)
    owners = list(shared.values())
    for layer in lost:
        for index in range(len(layer.weight_shapes or ())):
            if owners.count(shared.get((layer.name, index), ("", 0))) > 1:
                raise UnsupportedLayerError(
                    f"{layer.place}: it leads to no output, and shares parameters with another "
                    "layer, which Net does not keep in step; take it out"
                )
    ends = [network.tensors[top.key] for layer in lost for top in layer.tops]
    return CaffeFunctional(model.inputs, [*model.outputs, *ends], card=model.card)


def resized(old: Built, blobs: Mapping[str, Blob]) -> Built | None:
    """The network built again for the sizes that its inputs have; None where they fit.

    Raises:
        NetworkError: the sizes do not suit the weights, or are not known.
    """
    wanted: dict[str, Sizes] = {}
    for blob in old.network.inputs:
        shape = blobs[blob.name].shape
        if 0 in shape:
            raise NetworkError(
                f"blob {blob.name!r} has shape {shape}, where 0 is a size that only the data tell; "
                f"give it with net.blobs[{blob.name!r}].reshape(...)"
            )
        if not _fits(tuple(old.tensors[blob.key].shape), keras_shape(shape)):
            wanted[blob.name] = shape
    if not wanted:
        return None
    network = _with_inputs(old.network, wanted)
    for layer, before in zip(network.layers, old.network.layers, strict=True):
        if layer.weight_shapes != before.weight_shapes:
            raise NetworkError(
                f"{layer.place}: has weights of shapes {before.weight_shapes}; with "
                f"{_told(wanted)} they would have to be {layer.weight_shapes}"
            )
    new = built(network)
    card = old.model.card
    update_card(
        new.model,
        preprocessing=card.preprocessing,
        classes=card.classes,
        source=card.source,
    )
    return new


def _with_inputs(network: Network, shapes: Mapping[str, Sizes]) -> Network:
    """The network with other sizes in its Input layers."""
    definition = network.definition
    for layer in network.layers:
        if not shapes.keys() & {top.name for top in layer.tops} or not layer.is_source:
            continue
        if not isinstance(layer.params, Input):
            raise NetworkError(
                f"{layer.place}: the net is built for other sizes than {_told(shapes)}; give "
                "Net(..., input_shapes=) these"
            )
        sizes = [shapes.get(top.name, top.shape or ()) for top in layer.tops]
        new = with_input_shapes(layer.definition, sizes)
        definition = editing.replaced(definition, layer.definition, (new,))
    return network.edited(definition)


def _told(shapes: Mapping[str, Sizes]) -> str:
    return ", ".join(f"{name!r} of {shape}" for name, shape in shapes.items())


def _fits(wanted: tuple[Any, ...], given: Sizes) -> bool:
    return len(wanted) == len(given) and all(
        size in (None, other) for size, other in zip(wanted, given, strict=True)
    )
