"""SSD's DetectionOutput.

The boxes of each image and class are a list, the best first (of equal scores the first one). A
box's place is that among the boxes of all lists; detections stand in the order of their places.
"""

from __future__ import annotations

from collections.abc import Sequence

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers.ssd import DetectionOutput, DetectionOutputExtended
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.onnx.detections import rows_of, suppressed
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.places import Length, length
from keras_fcn.caffe.onnx.registry import to_onnx

_NOTHING = float("-inf")
"""Score of what is not kept."""


@to_onnx(DetectionOutput, DetectionOutputExtended)
def detection_output(
    layer: Layer[DetectionOutput], graph: LayerGraph, loc: str, conf: str, priors: str, *_: str
) -> str:
    """Boxes decoded; the best of each class by overlap, and of those the best of each image."""
    params = layer.params
    labels = [label for label in range(params.num_classes) if label != params.background_label_id]
    _check(params, labels)
    shapes = [blob.shape or () for blob in layer.bottoms]
    scores = _scores(graph, params, labels, conf)
    count = graph.sizes(scores, 2) if shapes[2][2] is None else shapes[2][2] // 4
    count = _at_most(graph, count, params.nms_param.top_k)
    scores, order = graph.add_several(2, "TopK", scores, graph.listed(count), axis=2)
    boxes = _decoded(graph, params, labels, loc, priors)
    if params.clip:
        boxes = graph.add("Clip", boxes, graph.floats(0.0), graph.floats(1.0))
    chosen = graph.unsqueeze(order, 3)
    boxes = graph.add("GatherND", boxes, chosen, batch_dims=1 if params.share_location else 2)
    kept = _best_of_lists(graph, params, boxes, scores, count)
    if params.keep_top_k >= 0:
        kept = _best_of_images(graph, kept, params.keep_top_k)
    kept = graph.reshape(kept, -1)
    places = graph.add("NonZero", graph.add("Greater", kept, graph.floats(_NOTHING)))
    places = graph.squeeze(places, 0)
    lists, classes = graph.add("Div", places, graph.listed(count)), graph.ints([len(labels)])
    columns = [
        graph.as_floats(graph.add("Div", lists, classes)),
        graph.add("Gather", graph.floats(labels), graph.add("Mod", lists, classes)),
        graph.add("Gather", kept, places),
    ]
    columns = [graph.unsqueeze(column, 1) for column in columns]
    columns.append(graph.add("Gather", graph.reshape(boxes, -1, 4), places))
    if isinstance(params, DetectionOutputExtended):
        columns.append(_cells(graph, loc, graph.add("Gather", graph.reshape(order, -1), places)))
    images = length(graph, loc, shapes[0], 0)
    return rows_of(graph, columns, 10 if len(columns) > 4 else 7, images)


def _check(params: DetectionOutput, labels: Sequence[int]) -> None:
    """Refuse what ONNX cannot say."""
    if params.nms_param.eta != 1:
        raise UnsupportedLayerError(
            f"nms_param: eta: {params.nms_param.eta} is not written as ONNX, whose suppression "
            "has one threshold; with detection='none' the layer is left out"
        )
    if not labels:
        raise UnsupportedLayerError(f"num_classes: {params.num_classes}: there is no class to find")


def _scores(graph: LayerGraph, params: DetectionOutput, labels: Sequence[int], conf: str) -> str:
    """Scores of the classes that are reported: (images, classes, priors)."""
    scores = graph.reshape(conf, 0, -1, params.num_classes)
    return _reported(graph, params, labels, graph.add("Transpose", scores, perm=[0, 2, 1]))


def _reported(graph: LayerGraph, params: DetectionOutput, labels: Sequence[int], x: str) -> str:
    """The classes that are reported, of all along axis 1."""
    if len(labels) == params.num_classes:
        return x
    return graph.add("Gather", x, graph.ints(labels), axis=1)


def _at_most(graph: LayerGraph, size: Length, limit: int) -> Length:
    """A size, but no more than the limit; -1: there is none."""
    if limit < 0:
        return size
    if isinstance(size, int):
        return min(size, limit)
    return graph.add("Min", size, graph.ints([limit]))


def _decoded(
    graph: LayerGraph, params: DetectionOutput, labels: Sequence[int], loc: str, priors: str
) -> str:
    """Boxes (images, priors, 4), or (images, classes, priors, 4) where each class has its own."""
    priors = graph.reshape(graph.cut(priors, 0, 0, 1), 2, -1, 4)
    priors, variances = graph.add_several(2, "Split", priors, axis=0)
    if params.share_location:
        loc = graph.reshape(loc, 0, -1, 4)
    else:
        loc = graph.reshape(loc, 0, -1, params.num_classes, 4)
        loc = _reported(graph, params, labels, graph.add("Transpose", loc, perm=[0, 2, 1, 3]))
    if not params.variance_encoded_in_target:
        loc = graph.add("Mul", loc, variances)
    if params.code_type == "CORNER":
        return graph.add("Add", priors, loc)
    low, high = graph.add_several(2, "Split", priors, axis=-1)
    size = graph.add("Sub", high, low)
    if params.code_type == "CORNER_SIZE":
        sides = graph.add("Concat", size, size, axis=-1)
        return graph.add("Add", priors, graph.add("Mul", loc, sides))
    shift, growth = graph.add_several(2, "Split", loc, axis=-1)
    middle = graph.scaled(graph.add("Add", low, high), 0.5)
    middle = graph.add("Add", graph.add("Mul", shift, size), middle)
    half = graph.scaled(graph.add("Mul", graph.add("Exp", growth), size), 0.5)
    ends = graph.add("Sub", middle, half), graph.add("Add", middle, half)
    return graph.add("Concat", *ends, axis=-1)


def _best_of_lists(
    graph: LayerGraph, params: DetectionOutput, boxes: str, scores: str, count: Length
) -> str:
    """The scores (images, classes, count) of boxes that no better one of their list overlaps."""
    # A box that is inside out overlaps nothing in Caffe, but is turned round in ONNX.
    low, high = graph.add_several(2, "Split", boxes, axis=-1)
    proper = graph.add("Concat", low, graph.add("Max", low, high), axis=-1)
    chosen = suppressed(
        graph,
        graph.reshape(proper, -1, count, 4),
        graph.reshape(scores, -1, 1, count),
        params.nms_param.nms_threshold,
        params.confidence_threshold,
    )
    places = graph.add("Mul", chosen, graph.listed(count, 0, 1))
    places = graph.add("ReduceSum", places, graph.ints([1]), keepdims=1)
    found = graph.add("GatherND", graph.reshape(scores, -1), places)
    shape = graph.add("Shape", scores)
    nothing = graph.add("Expand", graph.floats(_NOTHING), graph.add("ReduceProd", shape, axes=[0]))
    return graph.add("Reshape", graph.add("ScatterND", nothing, places, found), shape)


def _best_of_images(graph: LayerGraph, scores: str, limit: int) -> str:
    """The best scores of each image, where they are."""
    scores = graph.add("Flatten", scores, axis=1)
    count = graph.add("Min", graph.sizes(scores, 1), graph.ints([limit]))
    best, places = graph.add_several(2, "TopK", scores, count, axis=1)
    nothing = graph.add("Expand", graph.floats(_NOTHING), graph.add("Shape", scores))
    return graph.add("ScatterElements", nothing, places, best, axis=1)


def _cells(graph: LayerGraph, loc: str, priors: str) -> str:
    """Anchor, column and row of priors on a map of locations (images, rows, columns, numbers)."""
    columns = graph.sizes(loc, 2, 3)
    anchors = graph.add("Div", graph.sizes(loc, 3), graph.ints([4]))
    cell = graph.add("Div", priors, anchors)
    places = (
        graph.add("Mod", priors, anchors),
        graph.add("Mod", cell, columns),
        graph.add("Div", cell, columns),
    )
    stacked = graph.add("Concat", *(graph.unsqueeze(place, 1) for place in places), axis=1)
    return graph.as_floats(stacked)
