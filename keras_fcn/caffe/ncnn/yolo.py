"""YOLO's Reorg and Region."""

from __future__ import annotations

from keras_fcn.caffe.layers.yolo import FlatRegion, Region, Reorg
from keras_fcn.caffe.ncnn.graph import LayerGraph, known_sizes
from keras_fcn.caffe.ncnn.registry import to_ncnn
from keras_fcn.caffe.net.layer import Layer


@to_ncnn(Reorg)
def reorg(layer: Layer[Reorg], graph: LayerGraph, x: str) -> str:
    """Squares of pixels as channels, or back, in darknet's order."""
    step = layer.params.stride
    channels, rows, columns = known_sizes(layer.bottoms[0].shape or ())
    top = known_sizes(layer.tops[0].shape or ())
    few = channels // step**2
    if layer.params.reverse:
        x = graph.reshape(x, (step, step, few * rows, columns))
        return graph.reshape(graph.permuted(x, [2, 0, 3, 1]), top)
    x = graph.reshape(x, (few * rows, step, columns, step))
    return graph.reshape(graph.permuted(x, [1, 3, 0, 2]), top)


@to_ncnn(Region)
def region(layer: Layer[Region], graph: LayerGraph, x: str) -> str:
    """Middles, objectness and classes made probabilities, where they are."""
    params, sizes = layer.params, known_sizes(layer.bottoms[0].shape or ())
    numbers = params.coords + 1 + params.classes
    boxes = graph.reshape(x, (params.num, numbers, None))
    parts = {"middle": 2, "size": params.coords - 2, "objectness": 1, "classes": params.classes}
    found = _parted(graph, boxes, parts, axis=1)
    for name in ("middle", "objectness"):
        found[name] = graph.add("Sigmoid", found[name])
    found["classes"] = graph.add("Softmax", found["classes"], settings={0: 1, 1: 1})
    return graph.reshape(graph.add("Concat", *found.values(), settings={0: 1}), sizes)


@to_ncnn(FlatRegion)
def flat_region(layer: Layer[FlatRegion], graph: LayerGraph, x: str) -> str:
    """Objectness and classes made probabilities, box by box in a blob of the bottom's shape."""
    params, sizes = layer.params, known_sizes(layer.bottoms[0].shape or ())
    numbers = params.coords + 1 + params.classes
    boxes = graph.reshape(x, (params.boxes_of_each_grid, numbers, None))
    boxes = graph.permuted(boxes, [2, 0, 1])
    parts = {"place": params.coords, "objectness": 1, "classes": params.classes}
    found = _parted(graph, boxes, parts, axis=2)
    found["objectness"] = graph.add("Sigmoid", found["objectness"])
    if params.softmax:
        found["classes"] = graph.add("Softmax", found["classes"], settings={0: 2, 1: 1})
    return graph.reshape(graph.add("Concat", *found.values(), settings={0: 2}), sizes)


def _parted(graph: LayerGraph, x: str, parts: dict[str, int], axis: int) -> dict[str, str]:
    """Parts of some sizes along an axis, those of size 0 left out."""
    kept = {name: size for name, size in parts.items() if size}
    settings = {0: list(kept.values()), 1: axis}
    return dict(zip(kept, graph.add_several(len(kept), "Slice", x, settings=settings), strict=True))
