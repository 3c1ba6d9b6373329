"""YOLO's layers."""

from __future__ import annotations

from typing import Any

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers.yolo import FlatRegion, Region, Reorg
from keras_fcn.caffe.layers.yolo_output import Anchors, YoloDetectionOutput, Yolov3DetectionOutput
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.onnx.detections import at_least, rows_of, suppressed
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.places import Length, grid, length
from keras_fcn.caffe.onnx.registry import to_onnx


@to_onnx(Reorg)
def reorg(layer: Layer[Reorg], graph: LayerGraph, x: str) -> str:
    """Squares of pixels as channels, or back, in darknet's order."""
    step, shape = layer.params.stride, layer.bottoms[0].shape or ()
    channels, *sizes = (length(graph, x, shape, axis) for axis in (1, 2, 3))
    few = _divided(graph, channels, step**2)
    if layer.params.reverse:
        x = graph.reshape(x, 0, step, step, few, *sizes)
        x = graph.add("Transpose", x, perm=[0, 3, 4, 1, 5, 2])
        sizes = [_multiplied(graph, size, step) for size in sizes]
        return graph.reshape(x, 0, few, *sizes)
    x = graph.reshape(x, 0, few, sizes[0], step, sizes[1], step)
    x = graph.add("Transpose", x, perm=[0, 3, 5, 1, 2, 4])
    sizes = [_divided(graph, size, step) for size in sizes]
    return graph.reshape(x, 0, _multiplied(graph, channels, step**2), *sizes)


def _divided(graph: LayerGraph, size: Length, by: int) -> Length:
    return size // by if isinstance(size, int) else graph.add("Div", size, graph.ints([by]))


def _multiplied(graph: LayerGraph, size: Length, by: int) -> Length:
    return size * by if isinstance(size, int) else graph.add("Mul", size, graph.ints([by]))


@to_onnx(Region)
def region(layer: Layer[Region], graph: LayerGraph, x: str) -> str:
    """Middles, objectness and classes made probabilities, where they are."""
    params, shape = layer.params, layer.bottoms[0].shape or ()
    boxes = graph.reshape(x, 0, params.num, params.coords + 1 + params.classes, -1)
    sizes = graph.ints([2, params.coords - 2, 1, params.classes])
    middle, size, objectness, classes = graph.add_several(4, "Split", boxes, sizes, axis=2)
    parts = (
        graph.add("Sigmoid", middle),
        size,
        graph.add("Sigmoid", objectness),
        graph.add("Softmax", classes, axis=2),
    )
    y = graph.add("Concat", *parts, axis=2)
    return graph.reshape(y, 0, *(length(graph, x, shape, axis) for axis in (1, 2, 3)))


@to_onnx(FlatRegion)
def flat_region(layer: Layer[FlatRegion], graph: LayerGraph, x: str) -> str:
    """Objectness and classes made probabilities, box by box in a blob of the bottom's shape."""
    params, shape = layer.params, layer.bottoms[0].shape or ()
    y = _boxes(graph, x, params.boxes_of_each_grid, params.coords + 1 + params.classes)
    sizes = graph.ints([params.coords, 1, params.classes])
    place, objectness, classes = graph.add_several(3, "Split", y, sizes, axis=3)
    if params.softmax:
        classes = graph.add("Softmax", classes, axis=3)
    y = graph.add("Concat", place, graph.add("Sigmoid", objectness), classes, axis=3)
    return graph.reshape(y, 0, *(length(graph, x, shape, axis) for axis in (1, 2, 3)))


def _boxes(graph: LayerGraph, x: str, boxes: int, numbers: int) -> str:
    """A map as (images, positions, boxes of a position, numbers of a box)."""
    return graph.add("Transpose", graph.reshape(x, 0, boxes, numbers, -1), perm=[0, 3, 1, 2])


@to_onnx(YoloDetectionOutput, Yolov3DetectionOutput)
def yolo_detection_output(
    layer: Layer[YoloDetectionOutput | Yolov3DetectionOutput], graph: LayerGraph, *maps: str
) -> str:
    """The best boxes of all maps, classes and images, of one list as in the source."""
    params = layer.params
    if params.nms_threshold <= 0:
        raise UnsupportedLayerError(
            f"nms_threshold: {params.nms_threshold} is not written as ONNX: boxes apart overlap "
            "by it; above 0 is"
        )
    anchors = params.anchors(len(maps))
    found = [
        _found(layer, graph, *both, index)
        for index, both in enumerate(zip(maps, anchors, strict=True))
    ]
    boxes, scores, labels = (
        graph.add("Concat", *parts, axis=0) for parts in zip(*found, strict=True)
    )
    chosen = suppressed(
        graph,
        graph.unsqueeze(boxes, 0),
        graph.unsqueeze(scores, 0, 1),
        at_least(params.nms_threshold),
        centred=True,
    )
    chosen = graph.reshape(graph.cut(chosen, 1, 2), -1)
    boxes, scores, labels = (graph.add("Gather", x, chosen) for x in (boxes, scores, labels))
    middle, size = graph.add_several(2, "Split", boxes, axis=1)
    half = graph.scaled(size, 0.5)
    columns = [graph.scaled(labels, 0), graph.scaled(labels, shift=1), scores]
    columns = [graph.unsqueeze(column, 1) for column in columns]
    columns += [graph.add("Sub", middle, half), graph.add("Add", middle, half)]
    return rows_of(graph, columns, 7, length(graph, maps[0], layer.bottoms[0].shape or (), 0))


def _found(
    layer: Layer[Any], graph: LayerGraph, x: str, anchors: Anchors, index: int
) -> tuple[str, str, str]:
    """Boxes (M, 4) as middle and size, scores (M,) and classes (M,) that are good enough."""
    params, shape = layer.params, layer.bottoms[index].shape or ()
    x_sizes = [length(graph, x, shape, axis) for axis in (2, 3)]
    x = _boxes(graph, x, len(anchors), 5 + params.num_classes)
    sizes = graph.ints([2, 2, 1, params.num_classes])
    middle, size, objectness, classes = graph.add_several(4, "Split", x, sizes, axis=3)
    sides = graph.as_floats(graph.listed(*x_sizes[::-1]))
    cells = graph.unsqueeze(grid(graph, *x_sizes), 1)
    middle = graph.add("Add", graph.add("Sigmoid", middle), cells)
    size = graph.add("Mul", graph.add("Exp", size), graph.floats(anchors))
    boxes = graph.add("Concat", *(graph.add("Div", part, sides) for part in (middle, size)), axis=3)
    boxes = graph.reshape(boxes, -1, 4)
    objectness = graph.add("Sigmoid", objectness)
    if isinstance(params, Yolov3DetectionOutput):
        scores = graph.reshape(graph.add("Mul", graph.add("Sigmoid", classes), objectness), -1)
        places = _above(graph, scores, params.confidence_threshold)
        count = graph.ints([params.num_classes])
        labels = graph.add("Mod", places, count)
        box = graph.add("Div", places, count)
    else:
        shares = graph.add("Softmax", classes, axis=3)
        best = graph.add("ReduceMax", shares, axes=[3], keepdims=1)
        scores = graph.reshape(graph.add("Mul", objectness, best), -1)
        places = box = _above(graph, scores, at_least(params.confidence_threshold))
        labels = graph.reshape(graph.add("ArgMax", shares, axis=3), -1)
        labels = graph.add("Gather", labels, places)
    labels = graph.as_floats(labels)
    return graph.add("Gather", boxes, box), graph.add("Gather", scores, places), labels


def _above(graph: LayerGraph, scores: str, threshold: float) -> str:
    """The places of scores above a threshold."""
    found = graph.add("NonZero", graph.add("Greater", scores, graph.floats(threshold)))
    return graph.squeeze(found, 0)
