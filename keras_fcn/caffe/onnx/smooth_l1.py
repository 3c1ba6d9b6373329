"""Smooth L1 losses of Fast R-CNN, SSD and R-FCN, and R-FCN's choice of hard examples."""

from __future__ import annotations

from collections.abc import Sequence

from keras_fcn.caffe.layers.smooth_l1 import BoxAnnotatorOHEM, SmoothL1Loss, SmoothL1LossOHEM
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.losses import difference, divided_by, over_the_batch
from keras_fcn.caffe.onnx.registry import to_onnx


@to_onnx(SmoothL1Loss)
def smooth_l1_loss(
    layer: Layer[SmoothL1Loss], graph: LayerGraph, first: str, second: str, *weights: str
) -> str:
    """Squares of small differences and magnitudes of large ones, perhaps weighed, over N."""
    weighed = _weighed(graph, first, second, weights[:1])
    losses = _smooth_l1(graph, weighed, layer.params.sigma)
    for outside in weights[1:]:
        losses = graph.add("Mul", losses, graph.reshape(outside, -1))
    return over_the_batch(graph, graph.total(losses), first)


@to_onnx(SmoothL1LossOHEM)
def smooth_l1_loss_ohem(
    layer: Layer[SmoothL1LossOHEM], graph: LayerGraph, first: str, second: str, *weights: str
) -> tuple[str, ...]:
    """The loss, and that of each region as second top."""
    rank = len(layer.bottoms[0].shape or ())
    losses = _smooth_l1(graph, _weighed(graph, first, second, weights))
    x = graph.unsqueeze(first, *range(rank, 4))
    losses = graph.add("Reshape", losses, graph.add("Shape", x))
    by_region = graph.add("ReduceSum", losses, graph.ints([1]), keepdims=1)
    regions = graph.add("Size", by_region)
    divisor = divided_by(layer.params, graph, regions, regions, graph.size(first, 0))
    tops = (graph.add("Div", graph.total(losses), divisor), by_region)
    return tops[: len(layer.tops)]


@to_onnx(BoxAnnotatorOHEM)
def box_annotator_ohem(
    layer: Layer[BoxAnnotatorOHEM], graph: LayerGraph, *bottoms: str
) -> tuple[str, str]:
    """Labels and weights of each image's regions of large loss; of equal ones the first count."""
    ranks = [len(blob.shape or ()) for blob in layer.bottoms]
    regions, losses, labels, weights = (
        graph.unsqueeze(x, *range(rank, 4)) for x, rank in zip(bottoms, ranks, strict=True)
    )
    images = graph.reshape(graph.cut(regions, 1, 0, 1), -1)
    losses = graph.reshape(losses, -1)
    order = graph.add("Range", graph.ints(0), graph.add("Size", losses), graph.ints(1))
    pairs = [[graph.unsqueeze(x, 0), graph.unsqueeze(x, 1)] for x in (images, losses, order)]
    same_image = graph.add("Equal", *pairs[0])
    larger, as_large = (graph.add(op_type, *pairs[1]) for op_type in ("Greater", "Equal"))
    first = graph.add("Or", larger, graph.add("And", as_large, graph.add("Less", *pairs[2])))
    before = graph.add("Cast", graph.add("And", same_image, first), to=7)
    before = graph.add("ReduceSum", before, graph.ints([1]), keepdims=0)
    counts = graph.add("Less", before, graph.ints(layer.params.roi_per_img))
    counts = graph.add("Reshape", counts, graph.add("Shape", labels))
    ignored = graph.floats(layer.params.ignore_label)
    labels = graph.add("Where", counts, labels, ignored)
    return labels, graph.add("Where", counts, weights, graph.floats(0.0))


def _weighed(graph: LayerGraph, first: str, second: str, weights: Sequence[str]) -> str:
    weighed = difference(graph, first, second)
    for inside in weights:
        weighed = graph.add("Mul", weighed, graph.reshape(inside, -1))
    return weighed


def _smooth_l1(graph: LayerGraph, x: str, sigma: float = 1.0) -> str:
    """(sigma * d)^2 / 2 of small differences d, abs(d) - 1 / (2 sigma^2) of large ones."""
    square, sizes = sigma * sigma, graph.add("Abs", x)
    small = graph.scaled(graph.add("Mul", x, x), 0.5 * square)
    is_small = graph.add("Less", sizes, graph.floats(1 / square))
    return graph.add("Where", is_small, small, graph.scaled(sizes, shift=-0.5 / square))
