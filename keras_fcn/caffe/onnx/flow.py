"""Optical flow: FlowWarp, Correlation, Correlation1D."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from keras_fcn.caffe.layers.correlation import Correlation, Correlation1D
from keras_fcn.caffe.layers.flow import FlowWarp
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.registry import to_onnx

Steps = Sequence[tuple[int, int]]

_FILL = {"ZERO": 0.0, "NOT_A_NUMBER": float("nan")}


@to_onnx(FlowWarp)
def flow_warp(layer: Layer[FlowWarp], graph: LayerGraph, image: str, flow: str) -> str:
    """Bilinear samples at (x + u, y + v); places outside of the image are filled.

    Between the last position and the border the last one counts, which no GridSample does.
    """
    lengths = graph.size(image, 3), graph.size(image, 2)
    sizes = [graph.as_floats(length) for length in lengths]
    across, down = (_steps(graph, size) for size in sizes)
    x = _flat(graph, graph.add("Add", graph.cut(flow, 1, 0, 1), across))
    y = _flat(graph, graph.add("Add", graph.cut(flow, 1, 1, 2), graph.unsqueeze(down, 1)))
    zero, one = graph.floats(0.0), graph.floats(1.0)
    limits = [graph.add("GreaterOrEqual", axis, zero) for axis in (x, y)]
    limits += [graph.add("Less", axis, size) for axis, size in zip((x, y), sizes, strict=True)]
    inside = reduce(lambda first, second: graph.add("And", first, second), limits)
    pixels = graph.reshape(image, 0, 0, -1)
    shape = graph.add("Shape", pixels)
    places, shares = [], []
    for axis, size in zip((x, y), sizes, strict=True):
        axis = graph.add("Where", inside, axis, zero)
        first = graph.add("Floor", axis)
        last = graph.add("Sub", size, one)
        second = graph.add("Min", graph.add("Add", first, one), last)
        places.append([graph.add("Cast", place, to=7) for place in (first, second)])
        shares.append(graph.add("Sub", axis, first))

    def at(row: str, column: str) -> str:
        place = graph.add("Add", graph.add("Mul", row, lengths[0]), column)
        return graph.add("GatherElements", pixels, graph.add("Expand", place, shape), axis=2)

    def mixed(first: str, second: str, share: str) -> str:
        first = graph.add("Mul", graph.add("Sub", one, share), first)
        return graph.add("Add", first, graph.add("Mul", share, second))

    columns, rows = places
    upper, lower = (mixed(at(row, columns[0]), at(row, columns[1]), shares[0]) for row in rows)
    warped = mixed(upper, lower, shares[1])
    warped = graph.add("Where", inside, warped, graph.floats(_FILL[layer.params.fill_value]))
    return graph.add("Reshape", warped, graph.add("Shape", image))


def _steps(graph: LayerGraph, size: str) -> str:
    """0, 1, ... below a size."""
    return graph.add("Range", graph.floats(0.0), size, graph.floats(1.0))


def _flat(graph: LayerGraph, x: str) -> str:
    return graph.reshape(x, 0, 0, -1)


@to_onnx(Correlation, Correlation1D)
def correlation(layer: Layer[Correlation], graph: LayerGraph, first: str, second: str) -> str:
    """A channel for each displacement, row by row: means over channels, then over windows."""
    params = layer.params
    (pad_y, border_y), (pad_x, border_x) = params.vertical, (params.pad, params.max_displacement)
    steps = params.displacements
    # Looking farther than the padding finds zeros.
    far_y, far_x = (max(abs(step[axis]) for step in steps) for axis in (0, 1))
    more_y, more_x = max(far_y - border_y, 0), max(far_x - border_x, 0)
    first = _window(graph, _padded(graph, first, pad_y, pad_x), (border_y,) * 2, (border_x,) * 2)
    second = _padded(graph, second, pad_y + more_y, pad_x + more_x)
    rim = border_y + more_y, border_x + more_x
    compare = _differences if params.correlation_type == "SUBTRACT" else _products
    likeness = compare(graph, first, second, rim, steps)
    if (params.kernel_size, params.stride_1) == (1, 1):
        return likeness
    kernel, strides = [params.kernel_size] * 2, [params.stride_1] * 2
    return graph.add("AveragePool", likeness, kernel_shape=kernel, strides=strides)


def _differences(
    graph: LayerGraph, first: str, second: str, rim: tuple[int, int], steps: Steps
) -> str:
    """Means over channels of absolute differences, one displacement after the other.

    Args:
        graph: where to add.
        first: a map.
        second: a larger one.
        rim: its rows and columns before those that lie on the first.
        steps: displacements down and right.
    """
    y, x = rim
    channels = []
    for down, right in steps:
        other = _window(graph, second, (y + down, y - down), (x + right, x - right))
        apart = graph.add("Abs", graph.add("Sub", first, other))
        channels.append(graph.add("ReduceMean", apart, axes=[1], keepdims=1))
    return graph.add("Concat", *channels, axis=1) if len(channels) > 1 else channels[0]


def _products(
    graph: LayerGraph, first: str, second: str, rim: tuple[int, int], steps: Steps
) -> str:
    """The same of products: those of whole rows, of which bands are kept.

    A matrix (columns + 1, width) read as (columns, width + 1) has in its columns what
    lies along diagonals.
    """
    y, x = rim
    first = graph.add("Div", first, graph.as_floats(graph.size(first, 1)))
    first = graph.add("Transpose", first, perm=[0, 2, 3, 1])
    second = graph.add("Transpose", second, perm=[0, 2, 1, 3])
    columns, wider = graph.sizes(first, 2, 3), graph.shifted(graph.sizes(second, 3, 4), 1)
    length = graph.add("Mul", columns, wider)
    sizes = graph.add("Concat", graph.ints([0, 0]), columns, wider, axis=0)
    first = graph.pad(first, [0] * 4, [0, 0, 1, 0])
    rights = sorted({right for _, right in steps})
    step = rights[1] - rights[0] if len(rights) > 1 else 1
    band = [graph.ints([place]) for place in (x + rights[0], x + rights[-1] + 1, 3, step)]
    channels = []
    for down in sorted({down for down, _ in steps}):
        rows = graph.cut(second, 1, y + down, down - y or None)
        flat = graph.reshape(graph.add("MatMul", first, rows), 0, 0, -1)
        flat = graph.add("Slice", flat, graph.ints([0]), length, graph.ints([2]))
        channels.append(graph.add("Slice", graph.add("Reshape", flat, sizes), *band))
    likeness = graph.add("Concat", *channels, axis=3) if len(channels) > 1 else channels[0]
    return graph.add("Transpose", likeness, perm=[0, 3, 1, 2])


def _padded(graph: LayerGraph, x: str, rows: int, columns: int) -> str:
    sides = [0, 0, rows, columns]
    return graph.pad(x, sides, sides)


def _window(graph: LayerGraph, x: str, rows: tuple[int, int], columns: tuple[int, int]) -> str:
    """A map without so many first and last rows and columns."""
    for axis, (before, after) in zip((2, 3), (rows, columns), strict=True):
        if before or after:
            x = graph.cut(x, axis, before, -after or None)
    return x
