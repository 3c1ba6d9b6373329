"""Pooling over regions of interest."""

from __future__ import annotations

from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.layers.rcnn import PSROIPooling, ROIAlign, ROIAlignGrid, ROIPooling
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.places import Length, grid, length, positions
from keras_fcn.caffe.onnx.registry import to_onnx


@to_onnx(ROIPooling)
def roi_pooling(layer: Layer[ROIPooling], graph: LayerGraph, x: str, regions: str) -> str:
    """ONNX' own, which rounds as Caffe does."""
    params, regions = layer.params, graph.reshape(regions, -1, 5)
    if params.pad_ratio:
        image, low, high = _parted(graph, regions)
        pad = _pads(graph, low, high, params.pad_ratio)
        ends = graph.add("Sub", low, pad), graph.add("Add", high, pad)
        regions = graph.add("Concat", image, *ends, axis=1)
    return graph.add(
        "MaxRoiPool",
        x,
        regions,
        pooled_shape=[params.pooled_h, params.pooled_w],
        spatial_scale=float(params.spatial_scale),
    )


@to_onnx(ROIAlign)
def roi_align(layer: Layer[ROIAlign], graph: LayerGraph, x: str, regions: str) -> str:
    """ONNX' own as it was at first, without shifts by half a pixel."""
    params, regions = layer.params, graph.reshape(regions, -1, 5)
    image = graph.add("Cast", graph.reshape(graph.cut(regions, 1, 0, 1), -1), to=7)
    return graph.add(
        "RoiAlign",
        x,
        graph.cut(regions, 1, 1),
        image,
        output_height=params.pooled_h,
        output_width=params.pooled_w,
        sampling_ratio=max(params.sampling_ratio, 0),
        spatial_scale=float(params.spatial_scale),
    )


@to_onnx(ROIAlignGrid)
def roi_align_grid(layer: Layer[ROIAlignGrid], graph: LayerGraph, x: str, regions: str) -> str:
    """Samples at corners of cells, by weights of rows and columns."""
    params = layer.params
    image, low, high = _parted(graph, graph.reshape(regions, -1, 5))
    pad = _pads(graph, low, high, params.pad_ratio)
    start = graph.scaled(graph.add("Sub", low, pad), params.spatial_scale, -0.5)
    end = graph.scaled(graph.add("Add", high, pad), params.spatial_scale, -0.5)
    extent = graph.add("Sub", end, start)
    lines = _Lines(graph, x, layer.bottoms[0].shape or ())
    rows = _samples(lines, start, extent, 1, params.pooled_h)
    columns = _samples(lines, start, extent, 0, params.pooled_w)
    rows = graph.unsqueeze(lines.own(rows, image), 1)
    columns = graph.unsqueeze(graph.add("Transpose", columns, perm=[0, 2, 1]), 1)
    x = graph.add("Transpose", x, perm=[1, 0, 2, 3])
    x = graph.reshape(x, 0, -1, lines.size(3))
    return graph.add("MatMul", graph.add("MatMul", rows, x), columns)


@to_onnx(PSROIPooling)
def psroi_pooling(layer: Layer[PSROIPooling], graph: LayerGraph, x: str, regions: str) -> str:
    """Means over cells, by weights of rows and columns."""
    params = layer.params
    image, low, high = _parted(graph, graph.reshape(regions, -1, 5))
    start = graph.scaled(_rounded(graph, low), params.spatial_scale)
    end = graph.scaled(graph.scaled(_rounded(graph, high), shift=1), params.spatial_scale)
    extent = graph.add("Max", graph.add("Sub", end, start), graph.floats(0.1))
    lines, group = _Lines(graph, x, layer.bottoms[0].shape or ()), params.group_size
    rows, columns = (_means(lines, start, extent, axis, group) for axis in (1, 0))
    rows = graph.add("Transpose", lines.own(rows, image), perm=[1, 0, 2])
    columns = graph.add("Transpose", columns, perm=[1, 0, 2])
    x = graph.reshape(x, 0, params.output_dim, group, group, lines.size(2), lines.size(3))
    x = graph.add("Transpose", x, perm=[2, 1, 3, 0, 4, 5])  # cell's row, channel, column, lines
    x = graph.reshape(x, 0, 0, 0, -1, lines.size(3))
    x = graph.add("MatMul", graph.unsqueeze(rows, 1, 2), x)
    means = graph.add("ReduceSum", graph.add("Mul", x, columns), graph.ints([4]), keepdims=0)
    return graph.add("Transpose", means, perm=[3, 1, 0, 2])


class _Lines:
    """The lines of a map (images, channels, rows, columns), those of all images one by one.

    Nothing that has regions as an axis may be reshaped: there may be none, and runtimes turn
    sizes that they do not know into -1, which then has no answer.
    """

    def __init__(self, graph: LayerGraph, x: str, shape: Shape) -> None:
        self.graph = graph
        self._x, self._shape = x, shape
        cells = grid(graph, self.size(0), self.size(2))
        self._row, self._image = (
            graph.squeeze(graph.cut(cells, 1, axis, axis + 1), 1) for axis in (0, 1)
        )

    def size(self, axis: int) -> Length:
        """Size of an axis of the map."""
        return length(self.graph, self._x, self._shape, axis)

    def along(self, axis: int) -> tuple[str, str]:
        """The columns (axis 0), or the row of each line (1); and how many there are of them."""
        size = self.size(3 - axis)
        cells = self._row if axis else positions(self.graph, size)
        return cells, self.graph.as_floats(self.graph.listed(size))

    def own(self, weights: str, image: str) -> str:
        """Weights (regions, bins, lines) of lines of the own image; those of others are 0."""
        graph = self.graph
        own = graph.as_floats(graph.add("Equal", image, self._image))
        return graph.add("Mul", weights, graph.unsqueeze(own, 1))


def _samples(lines: _Lines, start: str, extent: str, axis: int, bins: int) -> str:
    """Weights (regions, bins + 1, cells) of bilinear samples along an axis."""
    graph, (cells, size) = lines.graph, lines.along(axis)
    start, extent = (graph.cut(x, 1, axis, axis + 1) for x in (start, extent))
    step = graph.add("Div", extent, graph.floats(bins))
    centres = graph.add("Add", start, graph.add("Mul", positions(graph, bins + 1), step))
    last = graph.scaled(size, shift=-1)
    inside = graph.add(
        "And",
        graph.add("GreaterOrEqual", centres, graph.floats(-0.5)),
        graph.add("LessOrEqual", centres, graph.scaled(size, shift=-0.5)),
    )
    inside = graph.add("And", inside, graph.add("Greater", extent, graph.floats(0)))
    centres = graph.add("Min", graph.add("Max", centres, graph.floats(0)), last)
    apart = graph.add("Abs", graph.add("Sub", graph.unsqueeze(centres, 2), cells))
    tents = graph.add("Relu", graph.add("Sub", graph.floats(1), apart))
    return graph.add("Mul", tents, graph.unsqueeze(graph.as_floats(inside), 2))


def _means(lines: _Lines, start: str, extent: str, axis: int, bins: int) -> str:
    """Weights (regions, bins, cells) of the mean over each bin along an axis."""
    graph, (cells, size) = lines.graph, lines.along(axis)
    start, extent = (graph.cut(x, 1, axis, axis + 1) for x in (start, extent))
    step = graph.add("Div", extent, graph.floats(bins))
    edges = graph.add("Add", graph.add("Mul", positions(graph, bins + 1), step), start)
    edges = graph.add("Min", graph.add("Max", edges, graph.floats(0)), size)
    first = graph.add("Floor", graph.cut(edges, 1, 0, bins))
    last = graph.add("Ceil", graph.cut(edges, 1, 1))
    inside = graph.add(
        "And",
        graph.add("GreaterOrEqual", cells, graph.unsqueeze(first, 2)),
        graph.add("Less", cells, graph.unsqueeze(last, 2)),
    )
    counts = graph.add("Max", graph.add("Sub", last, first), graph.floats(1))
    return graph.add("Div", graph.as_floats(inside), graph.unsqueeze(counts, 2))


def _parted(graph: LayerGraph, regions: str) -> tuple[str, str, str]:
    """Images (regions, 1), and the corners (x, y) where regions begin and end."""
    image, low, high = graph.add_several(3, "Split", regions, graph.ints([1, 2, 2]), axis=1)
    return image, low, high


def _pads(graph: LayerGraph, low: str, high: str, ratio: float) -> str:
    """By how much a region is widened."""
    return graph.scaled(graph.scaled(graph.add("Sub", high, low), shift=1), ratio)


def _rounded(graph: LayerGraph, x: str) -> str:
    """Whole numbers, halves away from 0."""
    size = graph.add("Abs", x)
    whole = graph.add("Floor", size)
    up = graph.add("GreaterOrEqual", graph.add("Sub", size, whole), graph.floats(0.5))
    size = graph.add("Add", whole, graph.as_floats(up))
    return graph.add("Mul", size, graph.add("Sign", x))
