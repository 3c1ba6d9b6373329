"""The walk over a Network that makes the functional model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_fcn import layers
from keras_fcn.builder.feeds import free_name, keras_inputs, model_inputs, needs_sizes
from keras_fcn.builder.registry import builder_of
from keras_fcn.builder.sharing import Sharing
from keras_fcn.builder.sources import is_registered_source, listed, made_by
from keras_fcn.caffe.errors import CaffeError, NetworkError, UnsupportedLayerError
from keras_fcn.caffe.layers.activation import PReLU
from keras_fcn.caffe.layers.convolution import Convolution
from keras_fcn.caffe.layers.deconvolution import Deconvolution
from keras_fcn.caffe.layers.inner_product import InnerProduct
from keras_fcn.caffe.layers.normalization import BatchNorm
from keras_fcn.caffe.names import keras_model_name, keras_name
from keras_fcn.caffe.net.network import Blob, Layer, Network
from keras_fcn.caffe.words import either
from keras_fcn.core.card import Card, update_card
from keras_fcn.core.definition import definition
from keras_fcn.core.model import CaffeFunctional
from keras_fcn.engines.structure import declared_size
from keras_fcn.errors import plain_reason
from keras_fcn.preprocessing.transforms import told_preprocessing

# Types whose weights need the number of channels.
_OF_CHANNELS = (BatchNorm, Convolution, Deconvolution, InnerProduct, PReLU)
# What layers hang on in a network without inputs.
_UNREAD = Blob("", (None,), layer="", index=0, maker="")


@dataclasses.dataclass(frozen=True)
class Built:
    """A network as a Keras model.

    Attributes:
        network: the network.
        model: what leads to its outputs.
        tensors: key of a blob -> its tensor, of every version of every blob, also of those
            that lead to no output.
    """

    network: Network
    model: CaffeFunctional
    tensors: Mapping[tuple[str, int], Any]


def build_model(network: Network) -> CaffeFunctional:
    """Build a Network as a functional Keras model, weights filled as Caffe would.

    Raises:
        UnsupportedLayerError: a layer, or one of its settings, has no Keras form.
    """
    return built(network).model


def built(network: Network) -> Built:
    """Build a Network, and keep the tensors of its blobs; see `build_model`."""
    living = living_blobs(network)
    sharing = Sharing(living)
    tensors: dict[Any, Any] = keras_inputs(network)
    made = [made_by(layer, network) for layer in network.layers if is_registered_source(layer)]
    inputs = model_inputs(network, tensors, made)
    if not inputs:
        inputs = [(keras.Input((), name=free_name("unread", network)), "")]
    first = inputs[0][0]
    for source in made:
        keys = (blob.key for blob in source.layer.tops)
        tensors.update(zip(keys, source.hung_on(first), strict=True))
    taken = {layer.keras_name for layer in network.layers}
    hook = network.inputs[:1] or (_UNREAD,)
    tensors.setdefault(hook[0].key, first)
    for layer in network.layers:
        if layer.is_source:
            continue
        if not layer.bottoms:  # Keras runs only what hangs on an input
            layer = dataclasses.replace(layer, bottoms=hook)
        build = builder_of(layer, network.place(layer))
        try:
            bottoms = _bottoms(layer, tensors)
            tops = sharing.tie(layer, listed(build(layer, *bottoms), layer))
            _name_helpers(layer, bottoms, tops, taken)
        except Exception as error:  # whatever Keras raises on what a layer asks of it
            if needs := needs_sizes(network, layer):
                raise UnsupportedLayerError(needs) from error
            why = error if isinstance(error, CaffeError) else plain_reason(error)
            if "." in layer.keras_name and isinstance(error, KeyError):
                why = (
                    "PyTorch takes no dot in the name of a layer with weights; rename the layer, "
                    "or set KERAS_BACKEND to tensorflow or jax"
                )
            raise UnsupportedLayerError(f"{network.place(layer)}: {why}") from error
        tensors.update(zip((blob.key for blob in layer.tops), tops, strict=True))
        tensors.update(_aliases(layer, living, tensors))
    outputs = [tensors[blob.key] for blob in (*network.outputs, *network.unnamed)]
    if not outputs:
        raise UnsupportedLayerError(
            f"{network.path}: the network has no outputs, its layers read all blobs; name some "
            f"with {either('outputs=[...]', '--output-blob BLOB')}"
        )
    model = CaffeFunctional(
        first if len(inputs) == 1 else [tensor for tensor, _ in inputs],
        outputs[0] if len(outputs) == 1 else outputs,
        name=keras_model_name(network.name),
        card=_card(network, living, inputs, tensors),
    )
    update_card(model, definition=definition(network, model))
    return Built(network, model, tensors)


def _name_helpers(
    layer: Layer, bottoms: Sequence[Any], tops: Sequence[Any], taken: set[str]
) -> None:
    """Give a layer's helpers, a padding say, names that no layer of the network has."""
    known = {id(tensor) for tensor in bottoms}
    found = [tensor for tensor in tops if id(tensor) not in known]
    while found:
        made = found.pop()._keras_history
        operation, base, number = made.operation, made.operation.name, 1
        if operation.name != layer.keras_name:
            while operation.name in taken:
                number += 1
                operation.name = f"{base}_{number}"
        for tensor in operation._inbound_nodes[made.node_index].input_tensors:
            if id(tensor) not in known:
                known.add(id(tensor))
                found.append(tensor)


def _card(
    network: Network,
    living: set[Any],
    inputs: Sequence[tuple[Any, str]],
    tensors: Mapping[Any, Any],
) -> Card:
    """The part of the network that the model keeps."""
    olds = {
        new: (old, layer.tops[0])
        for layer in network.layers
        for new, old in zip(layer.aliases, layer.overwritten, strict=True)
    }
    blobs, contents = {}, {}
    for name, blob in network.blobs.items():
        first = blob
        while first in olds:
            first = olds[first][0]
        if first.key in living:
            blobs[name] = _place(tensors[first.key])
        if name in blobs and blob in olds and olds[blob][1].key in living:
            contents[name] = _place(tensors[olds[blob][1].key])
    return Card(
        network.name,
        blobs,
        {tensor.name: name for tensor, name in inputs},
        contents=contents,
        phase=network.state.phase or "TEST",
        frozen=tuple(
            (layer.keras_name, index)
            for layer in network.layers
            for index, spec in enumerate(layer.param_specs)
            if spec.lr_mult == 0 and layer.weight_shapes and layer.tops[0].key in living
        ),
        names={x.keras_name: x.name for x in network.layers if x.keras_name != x.name},
        size=declared_size(network),
        preprocessing=told_preprocessing(network),
    )


def _place(tensor: Any) -> tuple[str, int]:
    """The layer that makes a tensor, and which of its outputs it is."""
    made = tensor._keras_history
    return made.operation.name, int(made.tensor_index)


def _aliases(layer: Layer, living: set[Any], tensors: Mapping[Any, Any]) -> dict[Any, Any]:
    """The blobs that an in-place layer changes beside its top, as far as somebody reads them."""
    return {
        new.key: layers.Overwritten(name=f"{layer.keras_name}_{keras_name(new.name)}")(
            [tensors[old.key], tensors[layer.tops[0].key]]
        )
        for old, new in zip(layer.overwritten, layer.aliases, strict=True)
        if new.key in living
    }


def living_blobs(network: Network) -> set[Any]:
    """Keys of the blobs that the model holds: inputs, and what leads to an output.

    The rest ends in a Silence.
    """
    living = {blob.key for blob in (*network.inputs, *network.outputs, *network.unnamed)}
    for layer in reversed(network.layers):
        tops = {blob.key for blob in layer.tops}
        pairs = zip(layer.aliases, layer.overwritten, strict=True)
        kept = {old.key for new, old in pairs if new.key in living}
        if (kept or tops & living) and not layer.is_source:
            living |= tops | kept | {blob.key for blob in layer.bottoms}
    return living


def _bottoms(layer: Layer, tensors: Mapping[Any, Any]) -> list[Any]:
    """The tensors a layer reads; `propagate_down: false` keeps gradients from passing.

    Raises:
        NetworkError: it is not given once for each bottom, which Caffe refuses.
    """
    if len(layer.propagate_down) not in (0, len(layer.bottoms)):
        raise NetworkError(
            f"propagate_down must be given for none or for each of the {len(layer.bottoms)} "
            f"bottoms, not {len(layer.propagate_down)} times"
        )
    found = [tensors[blob.key] for blob in layer.bottoms]
    if isinstance(layer.params, _OF_CHANNELS):
        found = [_with_channels(layer, *pair) for pair in zip(layer.bottoms, found, strict=True)]
    for index, passes in enumerate(layer.propagate_down):
        if not passes:
            found[index] = keras.ops.stop_gradient(found[index])
    return found


def _with_channels(layer: Layer, blob: Blob, x: Any) -> Any:
    """A tensor whose channels are known: as many as in Caffe, where they were images."""
    channels = (*(blob.shape or ()), None, None)[1]
    if len(x.shape) < 2 or x.shape[-1] is not None or channels is None:
        return x
    shape = (0, channels, *(0,) * (len(x.shape) - 2))
    return layers.CaffeReshape(shape, name=f"{layer.keras_name}_of_{blob.maker}_{blob.index}")(x)
