"""Registered layers without bottoms: what their functions make, and the inputs behind it."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import keras
import numpy as np

from keras_fcn import layers
from keras_fcn.builder.registry import builder_of
from keras_fcn.caffe.errors import CaffeError, UnsupportedLayerError
from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.layers.custom import CustomSource
from keras_fcn.caffe.net.network import Blob, Layer, Network
from keras_fcn.errors import plain_reason
from keras_fcn.layers._axes import channels_first_shape


@dataclass(frozen=True)
class Made:
    """The tops of such a layer: Keras tensors, or arrays that never change."""

    layer: Layer
    tops: tuple[Any, ...]

    def hung_on(self, tensor: Any) -> tuple[Any, ...]:
        """The tops as Keras tensors; arrays become layers that hang on a tensor."""
        return tuple(
            top if _is_tensor(top) else self._constant(top, index, tensor)
            for index, top in enumerate(self.tops)
        )

    def _constant(self, top: Any, index: int, tensor: Any) -> Any:
        array = np.asarray(top)
        name = f"{self.layer.keras_name}_{index}" if len(self.tops) > 1 else self.layer.keras_name
        return layers.Constant(array, str(array.dtype), name=name)(tensor)


def is_registered_source(layer: Layer) -> TypeGuard[Layer[CustomSource]]:
    """Whether a function of the user makes the tensors that the layer feeds the network with."""
    return isinstance(layer.params, CustomSource) and layer.params.batches is None


def made_by(layer: Layer, network: Network) -> Made:
    """Call the registered function of a layer without bottoms.

    Raises:
        UnsupportedLayerError: it makes other than a tensor for each top, of its shape.
    """
    place = network.place(layer)
    tops = _tops(layer, network)
    for blob, top in zip(layer.tops, tops, strict=True):
        shape = channels_first_shape(tuple(top.shape))
        told = blob.shape
        if told is None or _unlike(told, shape):
            raise UnsupportedLayerError(
                f"{place}: the registered function makes a tensor of shape {tuple(top.shape)}, "
                f"{shape} in Caffe's order, for top {blob.name!r}; the network takes its shape for "
                f"{told}"
            )
    return Made(layer, tops)


def inputs_of(made: Sequence[Made], names: Mapping[Blob, str]) -> dict[Blob, list[tuple[Any, str]]]:
    """For each blob the Keras inputs that it comes from, and the names to know them by.

    An input that is a top gets the name of its blob, in `names`.
    """
    pairs = [pair for each in made for pair in zip(each.layer.tops, each.tops, strict=True)]
    tops = {blob: top for blob, top in pairs if blob in names and _is_tensor(top)}
    known: dict[int, str] = {}
    for blob, top in tops.items():
        if _is_input(top) and id(top) not in known:
            top._keras_history.operation.name = top.name = names[blob]
            known[id(top)] = blob.name
    return {
        blob: [(tensor, known.get(id(tensor), tensor.name)) for tensor in _inputs_behind(top)]
        for blob, top in tops.items()
    }


def with_made_shapes(network: Network, given: Collection[str] = ()) -> Network:
    """The network with the shapes that registered functions make, where no rule tells them.

    Args:
        network: the network.
        given: inputs whose shapes the user gives.
    """
    known: dict[str, Shape] = {}
    for layer in filter(is_registered_source, network.layers):
        if not layer.params.open_axes:
            continue
        for blob, top in zip(layer.tops, _tops(layer, network), strict=False):
            if blob.name not in given:
                known[blob.name] = channels_first_shape(tuple(top.shape))
    if not known:
        return network
    rebuilt = network.edited(network.definition, known={**network.input_shapes, **known})
    return dataclasses.replace(rebuilt, notes=network.notes, sharers=network.sharers)


def _tops(layer: Layer, network: Network) -> tuple[Any, ...]:
    place = network.place(layer)
    try:
        return listed(builder_of(layer, place)(layer), layer)
    except Exception as error:  # whatever Keras raises on what the function asks of it
        why = error if isinstance(error, CaffeError) else plain_reason(error)
        raise UnsupportedLayerError(f"{place}: {why}") from error


def listed(tops: Any, layer: Layer) -> tuple[Any, ...]:
    """Result of a builder, a tensor for each top.

    Raises:
        UnsupportedLayerError: it gives more, or fewer.
    """
    made = tuple(tops) if isinstance(tops, tuple | list) else (tops,)
    if len(made) != len(layer.tops):
        raise UnsupportedLayerError(f"{len(made)} tensors are made for {len(layer.tops)} tops")
    return made


def _unlike(told: Sequence[int | None], made: Sequence[int | None]) -> bool:
    """Whether two shapes differ, beside the batch, in what both know."""
    return len(told) != len(made) or any(
        None not in sizes and sizes[0] != sizes[1] for sizes in zip(told[1:], made[1:], strict=True)
    )


def _is_tensor(top: Any) -> bool:
    return isinstance(top, keras.KerasTensor)


def _is_input(tensor: Any) -> bool:
    return isinstance(tensor._keras_history.operation, keras.layers.InputLayer)


def _inputs_behind(tensor: Any) -> Iterator[Any]:
    if _is_input(tensor):
        yield tensor
        return
    operation, node_index, _ = tensor._keras_history
    for behind in operation._inbound_nodes[node_index].input_tensors:
        yield from _inputs_behind(behind)
