"""Pooling over regions of interest."""

from __future__ import annotations

from keras_fcn.caffe.layers.rcnn import PSROIPooling, ROIAlign, ROIAlignGrid, ROIPooling
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.onnx.graph import LayerGraph
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
    params, shape = layer.params, layer.bottoms[0].shape or ()
    image, low, high = _parted(graph, graph.reshape(regions, -1, 5))
    pad = _pads(graph, low, high, params.pad_ratio)
    start = graph.scaled(graph.add("Sub", low, pad), params.spatial_scale, -0.5)
    end = graph.scaled(graph.add("Add", high, pad), params.spatial_scale, -0.5)
    extent = graph.add("Sub", end, start)
    rows, columns = (
        _samples(
            graph,
            graph.cut(start, 1, axis, axis + 1),
            graph.cut(extent, 1, axis, axis + 1),
            bins,
            length(graph, x, shape, 3 - axis),
        )
        for axis, bins in ((1, params.pooled_h), (0, params.pooled_w))
    )
    rows = _of_images(graph, rows, image, length(graph, x, shape, 0))
    pooled = graph.add("Einsum", rows, x, equation="rpnh,nchw->rcpw")
    return graph.add("Einsum", pooled, columns, equation="rcpw,rqw->rcpq")


def _samples(graph: LayerGraph, start: str, extent: str, bins: int, size: Length) -> str:
    """Weights (regions, bins + 1, size) of bilinear samples along an axis."""
    step = graph.add("Div", extent, graph.floats(bins))
    centres = graph.add("Add", start, graph.add("Mul", positions(graph, bins + 1), step))
    length = _float(graph, size)
    last = graph.add("Sub", length, graph.floats([1]))
    inside = (
        graph.add("GreaterOrEqual", centres, graph.floats(-0.5)),
        graph.add("LessOrEqual", centres, graph.add("Sub", length, graph.floats([0.5]))),
        graph.add("Greater", extent, graph.floats(0)),
    )
    within = graph.add("Min", graph.add("Max", centres, graph.floats(0)), last)
    apart = graph.add("Sub", graph.unsqueeze(within, 2), positions(graph, size))
    tents = graph.add("Relu", graph.add("Sub", graph.floats(1), graph.add("Abs", apart)))
    chosen = graph.add("And", graph.add("And", *inside[:2]), inside[2])
    return graph.add("Mul", tents, graph.unsqueeze(graph.as_floats(chosen), 2))


@to_onnx(PSROIPooling)
def psroi_pooling(layer: Layer[PSROIPooling], graph: LayerGraph, x: str, regions: str) -> str:
    """Means over cells, by weights of rows and columns."""
    params, shape = layer.params, layer.bottoms[0].shape or ()
    image, low, high = _parted(graph, graph.reshape(regions, -1, 5))
    group, high = params.group_size, graph.scaled(_rounded(graph, high), shift=1)
    start = graph.scaled(_rounded(graph, low), params.spatial_scale)
    end = graph.scaled(high, params.spatial_scale)
    extent = graph.add("Max", graph.add("Sub", end, start), graph.floats(0.1))
    rows, columns = (
        _means(
            graph,
            graph.cut(start, 1, axis, axis + 1),
            graph.cut(extent, 1, axis, axis + 1),
            group,
            length(graph, x, shape, 3 - axis),
        )
        for axis in (1, 0)
    )
    rows = _of_images(graph, rows, image, length(graph, x, shape, 0))
    sizes = (length(graph, x, shape, axis) for axis in (2, 3))
    cells = graph.reshape(x, 0, params.output_dim, group, group, *sizes)
    pooled = graph.add("Einsum", rows, cells, equation="rpnh,ndpqhw->rdpqw")
    return graph.add("Einsum", pooled, columns, equation="rdpqw,rqw->rdpq")


def _means(graph: LayerGraph, start: str, extent: str, bins: int, size: Length) -> str:
    """Weights (regions, bins, size) of the mean over each bin along an axis."""
    step = graph.add("Div", extent, graph.floats(bins))
    edges = graph.add("Add", graph.add("Mul", positions(graph, bins + 1), step), start)
    first = graph.add("Floor", graph.cut(edges, 1, 0, bins))
    last = graph.add("Ceil", graph.cut(edges, 1, 1))
    cells = positions(graph, size)
    inside = graph.add(
        "And",
        graph.add("GreaterOrEqual", cells, graph.unsqueeze(first, 2)),
        graph.add("Less", cells, graph.unsqueeze(last, 2)),
    )
    weights = graph.as_floats(inside)
    counts = graph.add("ReduceSum", weights, graph.ints([2]), keepdims=1)
    return graph.add("Div", weights, graph.add("Max", counts, graph.floats(1)))


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


def _of_images(graph: LayerGraph, weights: str, image: str, images: Length) -> str:
    """Weights (regions, bins, size) for all images (regions, bins, images, size); others' are 0."""
    image = graph.add("Cast", image, to=7)
    numbers = graph.add("Cast", positions(graph, images), to=7)
    own = graph.as_floats(graph.add("Equal", image, numbers))
    return graph.add("Mul", graph.unsqueeze(weights, 2), graph.unsqueeze(own, 1, 3))


def _float(graph: LayerGraph, size: Length) -> str:
    return graph.floats([size]) if isinstance(size, int) else graph.as_floats(size)
