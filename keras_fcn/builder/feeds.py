"""Input and data layers: the Keras inputs that stand for their blobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_fcn.builder.sources import Made, inputs_of, is_registered_source
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.names import keras_names
from keras_fcn.caffe.net.network import Blob, Layer, Network
from keras_fcn.caffe.words import either

_AXES = {2: ("sizes",), 3: ("channels", "length"), 4: ("channels", "height", "width")}


def keras_inputs(network: Network) -> dict[Any, Any]:
    """A Keras input for each input blob, of the blob's name, by the blob's key.

    What a registered layer feeds is not among them, see `keras_fcn.builder.sources`.

    Raises:
        UnsupportedLayerError: only the data tell a size that the network needs.
    """
    tensors = {}
    if needs := needs_sizes(network):
        raise UnsupportedLayerError(needs)
    registered = {blob for x in network.layers if is_registered_source(x) for blob in x.tops}
    for blob, name in input_names(network).items():
        if blob in registered:
            continue
        # The batch is free; a scalar has none.
        shape: Shape = blob.shape or ()
        if len(shape) > 2 and shape[1] is None:
            raise UnsupportedLayerError(_advice(network, blob))
        if len(shape) > 2:
            spatial = (None,) * (len(shape) - 2) if network.resizable else shape[2:]
            shape = (shape[0], *spatial, shape[1])
        batch_shape = (None, *shape[1:]) if shape else ()
        tensors[blob.key] = keras.Input(batch_shape=batch_shape, name=name)
    return tensors


def model_inputs(
    network: Network, tensors: Mapping[Any, Any], made: Sequence[Made]
) -> list[tuple[Any, str]]:
    """The model's inputs, in the order of the blobs that they feed, and the blobs' names.

    Args:
        network: the network.
        tensors: the inputs that `keras_inputs` makes.
        made: what registered layers make.
    """
    names = input_names(network)
    behind = inputs_of(made, names)
    ours = {blob for each in made for blob in each.layer.tops}
    found: list[tuple[Any, str]] = []
    for blob in names:
        fed = behind.get(blob, []) if blob in ours else [(tensors[blob.key], blob.name)]
        found += [pair for pair in fed if not any(pair[0] is other for other, _ in found)]
    return found


def free_name(name: str, network: Network) -> str:
    """A Keras name for an input that no layer and no other input has."""
    return keras_names([*(layer.keras_name for layer in network.layers), name])[-1]


def needs_sizes(network: Network, failed: Layer | None = None) -> str:
    """Message for a layer that needs sizes of an input that only the data tell; else empty.

    Args:
        network: the network.
        failed: a layer that could not be built, perhaps for that.
    """
    needing = [x for x in network.layers if any(None in s for s in x.weight_shapes or ())]
    for layer in needing if failed is None else [failed]:
        for blob in _origins(network, layer):
            if None in (blob.shape or ())[1:]:
                return _advice(network, blob, layer)
    return ""


def _origins(network: Network, layer: Layer) -> list[Blob]:
    """The input blobs that a layer depends on."""
    wanted = set(layer.bottoms)
    for earlier in reversed(network.layers):
        if wanted.intersection((*earlier.tops, *earlier.aliases)):
            wanted.update((*earlier.bottoms, *earlier.overwritten))
    return [blob for blob in network.inputs if blob in wanted]


def _advice(network: Network, blob: Blob, reader: Layer | None = None) -> str:
    maker = network.layer(blob.layer)
    shape = blob.shape or ()
    names = _AXES.get(len(shape), _AXES[2])
    axes = [*zip(names, shape[1:], strict=False)]
    *others, last = [name for name, size in axes if size is None]
    missing = f"{', '.join(others)} and {last}" if others else last
    needed = f", which layer {reader.name!r} ({reader.type}) needs" if reader else ""
    sizes = "".join(f"{name if size is None else size}, " for name, size in axes)
    flag = "x".join(name[0].upper() if size is None else str(size) for name, size in axes)
    given = f'input_shapes={{"{blob.name}": ({sizes[:-1] if len(axes) == 1 else sizes[:-2]})}}'
    return (
        f"{network.place(maker)}: only the data tell the {missing} of {blob.name!r}{needed}; give "
        f"{either(given, f'--input {blob.name}={flag}')}"
    )


def input_names(network: Network) -> dict[Blob, str]:
    """Keras' names of the inputs: their blobs'."""
    others = [layer.keras_name for layer in network.layers if not layer.is_source]
    names = keras_names([*(blob.name for blob in network.inputs), *others])
    return dict(zip(network.inputs, names, strict=False))
