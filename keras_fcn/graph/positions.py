"""Layers before the vectors of a classifier: whether a larger map leaves them what they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.layers.spatial import FIRST
from keras_fcn.caffe.layers.uniform import OWN_NUMBERS, obstacle, obstacle_to_growth
from keras_fcn.graph.calls import Call, calls, is_graph, shapes_at
from keras_fcn.graph.operations import OF_ELEMENTS
from keras_fcn.graph.spatial import WRAPPERS, spatial_of
from keras_fcn.layers._axes import channels_first_shape
from keras_fcn.unbuilder import unbuild

Sizes = Mapping[int, Sequence[int | None]]
"""id of a tensor -> its shape."""


def own_numbers(call: Call) -> str:
    """Why a layer fits maps of one size only: its numbers lie along rows or columns; else ''."""
    layer, rank = call.operation, len(call.inputs[0].shape)
    layer = layer.layer if isinstance(layer, WRAPPERS) else layer
    places = {*range(1, rank - 1)}
    if isinstance(layer, layers.PReLU):
        found = not places <= {*(layer.shared_axes or ())}
    elif isinstance(layer, _WITH_AXIS):
        axes = [axis for axis in keras.tree.flatten(layer.axis) if axis is not None]
        found = bool(places & {axis % rank for axis in axes})
    else:
        found = any(_along_positions(np.shape(value), rank) for value in _constants(call))
        found = found or _grow(layer, call.inputs)
    return OWN_NUMBERS if found else ""


_WITH_AXIS = (
    *(layers.BatchNormalization, layers.LayerNormalization, layers.Normalization),
    *([layers.RMSNormalization] if hasattr(layers, "RMSNormalization") else []),
)


def _constants(call: Call) -> Iterator[Any]:
    """Numbers that meet the elements of a map."""
    if isinstance(call.operation, layers.Rescaling):
        yield from (call.operation.scale, call.operation.offset)
    layer = isinstance(call.operation, keras.layers.Layer)
    if not layer and type(call.operation).__name__ in OF_ELEMENTS:
        args, kwargs = call.arguments
        yield from (x for x in (*args, *kwargs.values()) if not isinstance(x, keras.KerasTensor))


def _along_positions(shape: Sequence[int], rank: int) -> bool:
    return any(size != 1 for size in shape[:-1][-(rank - FIRST) :])


def _grow(layer: Any, inputs: Sequence[Any]) -> bool:
    """Whether the weights of the Caffe layer that this is follow the size of the map."""
    try:
        params = unbuild(layer) if isinstance(layer, keras.layers.Layer) else None
        if params is None:
            return False
        shapes = [channels_first_shape(tensor.shape) for tensor in inputs]
        found = [
            params.weight_shapes(tuple((*x[:FIRST], *[size] * len(x[FIRST:])) for x in shapes))
            for size in (_ONE_SIZE, _ANOTHER)
        ]
    except CaffeError:  # Caffe lacks a setting of it
        return False
    return found[0] != found[1]


_ONE_SIZE, _ANOTHER = 64, 128


def unlike(call: Call) -> str:
    """Why a layer does not do the same at every position of its map; else ''."""
    inner = call.operation
    if isinstance(inner, keras.Model) and is_graph(inner):
        each = ((one, unlike(one)) for one in calls(inner) if one.inputs)
        return next((_inside(one, why) for one, why in each if why), "")
    found = (obstacle(spatial_of(call, index)) for index in range(len(call.outputs)))
    return next(filter(None, found), "") or own_numbers(call)


def unlike_on_larger(call: Call, small: Sizes, large: Sizes) -> str:
    """Why a layer does something else on a larger map; else ''.

    Args:
        call: the layer, with inputs and outputs of any size.
        small: the shapes of its inputs and outputs on the one image.
        large: the shapes on a larger one.
    """
    inner = call.operation
    if isinstance(inner, keras.Model) and is_graph(inner):
        named = [(x.name, id(tensor)) for x, tensor in zip(inner.inputs, call.inputs, strict=True)]
        inside = [
            shapes_at(inner, {name: tuple(sizes[key]) for name, key in named})
            for sizes in (small, large)
        ]
        each = ((one, unlike_on_larger(one, *inside)) for one in calls(inner) if one.inputs)
        return next((_inside(one, why) for one, why in each if why), "")
    pair = [sized(call, sizes) for sizes in (small, large)]
    ends = [
        [tuple(channels_first_shape(x.shape) for x in tensors) for tensors in one[1:3]]
        for one in pair
    ]
    (bottoms, tops), (more_bottoms, more_tops) = ends
    found = (
        obstacle_to_growth(
            (spatial_of(pair[0], index), spatial_of(pair[1], index)),
            (bottoms, more_bottoms),
            (tops[index], more_tops[index]),
        )
        for index in range(len(tops))
    )
    return next(filter(None, found), "")


def sized(call: Call, sizes: Sizes) -> Call:
    """A call on tensors of other sizes."""
    made = [
        tuple(keras.KerasTensor(sizes[id(x)], dtype=x.dtype) for x in tensors)
        for tensors in (call.inputs, call.outputs)
    ]
    return call._replace(inputs=made[0], outputs=made[1])


def _inside(call: Call, why: str) -> str:
    return f"has a layer {call.operation.name!r} ({type(call.operation).__name__}) that {why}"
