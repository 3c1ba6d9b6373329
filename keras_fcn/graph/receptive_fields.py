"""Receptive fields of the blobs of a Keras model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from keras_fcn.caffe.layers.spatial import FIRST
from keras_fcn.caffe.net.fields import ReceptiveField, Sizes, View, seen
from keras_fcn.graph.calls import Call, calls, check_graph, is_graph
from keras_fcn.graph.spatial import spatial_of
from keras_fcn.kept import kept
from keras_fcn.layers import CaffeMaxPooling2D
from keras_fcn.layers._axes import channels_first_shape


class ReceptiveFields(dict[str, ReceptiveField | None]):
    """Blob name -> its receptive field; None where a position sees, or may see, the whole image.

    Attributes:
        unknown: blob name -> why its field, which is None too, is not known.
    """

    def __init__(
        self, fields: Mapping[str, ReceptiveField | None], unknown: Mapping[str, str]
    ) -> None:
        super().__init__(fields)
        self.unknown = dict(unknown)


def receptive_field(model: keras.Model) -> ReceptiveFields:
    """Compute the receptive field of every blob of a network.

    Args:
        model: a functional or sequential model on images (N, H, W, C).

    Returns:
        Blob name (Caffe's, where the model knows it, else the layer's) -> its receptive
        field, which is None where each position sees the whole image. It is None as well where
        it is not known, and `.unknown` then has the blob's name and the reason. A position
        that sums branches sees what any of them sees.

    Raises:
        ValueError: the model is not a graph of layers, or has a `call` of its own.
    """
    check_graph(model)
    views = _views(model)
    card: Any = getattr(model, "card", None)  # of `keras_fcn.core`, a room above this one
    known: Mapping[str, tuple[str, int]] = getattr(card, "blobs", {})
    places = known or {name: (name, 0) for name, index in views if index == 0}
    found = {name: views.get(place, _MISSING) for name, place in places.items()}
    return ReceptiveFields(
        {name: view.field for name, view in found.items()},
        {name: why for name, view in found.items() if (why := view.why or view.blind)},
    )


@kept
def output_field(model: keras.Model) -> ReceptiveField | None:
    """The receptive field of a network's (first) output; None as in `receptive_field`."""
    if not is_graph(model):
        return None
    history = model.outputs[0]._keras_history
    return _views(model)[history.operation.name, history.tensor_index].field


_MISSING = View(why="no layer of the model makes it")


def _views(model: keras.Model) -> dict[tuple[str, int], View]:
    """(operation name, index of its output) -> what it sees."""
    views = {
        id(tensor): View.of_image(channels_first_shape(tensor.shape)) for tensor in model.inputs
    }
    named = {}
    for call in _followed(model, views):
        found = enumerate(views[id(tensor)] for tensor in call.outputs)
        named.update({(call.operation.name, index): view for index, view in found})
    return named


def _followed(model: keras.Model, views: dict[int, View]) -> Iterator[Call]:
    """The calls of a model, each when its outputs have got their views."""
    for call in calls(model):
        if call.inputs:
            found = _seen(call, [views[id(tensor)] for tensor in call.inputs])
            views.update(zip(map(id, call.outputs), found, strict=True))
        yield call


def _seen(call: Call, views: Sequence[View]) -> list[View]:
    """Receptive field of each output of a call."""
    inner = call.operation
    if isinstance(inner, keras.Model) and is_graph(inner):
        known = dict(zip(map(id, inner.inputs), views, strict=True))
        for _ in _followed(inner, known):
            pass
        return [known[id(tensor)] for tensor in inner.outputs]
    return [_of_output(call, index, views) for index in range(len(call.outputs))]


def _of_output(call: Call, index: int, views: Sequence[View]) -> View:
    operation = call.operation
    masks = index and isinstance(operation, CaffeMaxPooling2D)
    return seen(
        spatial_of(call, index),
        views,
        _sizes(call.outputs[index]),
        f"layer {operation.name!r} ({type(operation).__name__})",
        _sizes(call.inputs[0]) if masks else None,
    )


def _sizes(tensor: Any) -> Sizes:
    return tuple(channels_first_shape(tensor.shape)[FIRST:])
