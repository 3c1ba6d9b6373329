"""Sizes and positions of maps, which are constants where they are known."""

from __future__ import annotations

from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.onnx.graph import LayerGraph

Length = int | str
"""A size of an axis, or a tensor (1,) that holds it."""


def length(graph: LayerGraph, x: str, shape: Shape, axis: int) -> Length:
    """The size of an axis."""
    known = shape[axis]
    return graph.sizes(x, axis, axis + 1) if known is None else known


def positions(graph: LayerGraph, count: Length) -> str:
    """0, 1, ... as floats."""
    if isinstance(count, int):
        return graph.floats(range(count))
    limits = graph.ints(0), graph.squeeze(count, 0), graph.ints(1)
    return graph.as_floats(graph.add("Range", *limits))


def grid(graph: LayerGraph, rows: Length, columns: Length) -> str:
    """Column and row of each position of a map, row by row: (positions, 2)."""
    right = graph.unsqueeze(positions(graph, columns), 0, 2)
    down = graph.unsqueeze(positions(graph, rows), 1, 2)
    right = graph.add("Mul", right, graph.floats([1, 0]))
    down = graph.add("Mul", down, graph.floats([0, 1]))
    return graph.reshape(graph.add("Add", right, down), -1, 2)
