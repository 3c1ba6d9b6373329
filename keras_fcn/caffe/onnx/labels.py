"""Predictions and labels, position by position."""

from __future__ import annotations

from collections.abc import Sequence

from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.layers.base import canonical_axis
from keras_fcn.caffe.onnx.graph import LayerGraph


def flat_labels(graph: LayerGraph, labels: str) -> str:
    """All labels as whole numbers; fractions are cut off."""
    return graph.add("Cast", graph.reshape(labels, -1), to=7)


def counted(graph: LayerGraph, labels: str, ignore_label: int | None) -> str | None:
    """Whether each label counts; None: all do."""
    if ignore_label is None:
        return None
    return graph.add("Not", graph.add("Equal", labels, graph.ints(ignore_label)))


def known_labels(graph: LayerGraph, labels: str, counts: str | None) -> str:
    """The labels, 0 where they do not count."""
    return labels if counts is None else graph.add("Where", counts, labels, graph.ints(0))


def by_position(graph: LayerGraph, x: str, axis: int, shape: Shape) -> str:
    """(positions, classes) of a tensor whose classes lie along an axis."""
    rank = len(shape)
    axis = canonical_axis(axis, rank)
    order = [*range(axis), *range(axis + 1, rank), axis]
    if order != sorted(order):
        x = graph.add("Transpose", x, perm=order)
    return graph.add("Flatten", x, axis=rank - 1)


def of_labels(graph: LayerGraph, x: str, labels: str) -> str:
    """The label's element of each row, (positions, 1)."""
    return graph.add("GatherElements", x, graph.unsqueeze(labels, 1), axis=1)


def one_hot(graph: LayerGraph, labels: str, classes: str, values: Sequence[float]) -> str:
    """(positions, classes) of two values, the second one at the label's place."""
    return graph.add("OneHot", labels, classes, graph.floats(values))
