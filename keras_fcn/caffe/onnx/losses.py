"""Losses of distances and margins: one number for all images."""

from __future__ import annotations

from collections.abc import Sequence

from keras_fcn.caffe.layers import loss as caffe
from keras_fcn.caffe.layers.l1_loss import FlowL1Loss, L1Loss
from keras_fcn.caffe.layers.loss import NormalizedLoss
from keras_fcn.caffe.layers.smooth_l1 import SmoothL1Loss, SmoothL1LossOHEM
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.labels import counted, flat_labels, one_hot
from keras_fcn.caffe.onnx.registry import to_onnx


@to_onnx(caffe.EuclideanLoss)
def euclidean_loss(layer: Layer, graph: LayerGraph, first: str, second: str) -> str:
    """Sum of squared differences over 2 N."""
    squares = graph.add("ReduceSumSquare", _difference(graph, first, second), keepdims=0)
    return _over_the_batch(graph, graph.scaled(squares, 0.5), first)


@to_onnx(L1Loss)
def l1_loss(layer: Layer, graph: LayerGraph, first: str, second: str) -> str:
    """Sum of the magnitudes of differences over N."""
    total = graph.add("ReduceL1", _difference(graph, first, second), keepdims=0)
    return _over_the_batch(graph, total, first)


@to_onnx(FlowL1Loss)
def flow_l1_loss(layer: Layer[FlowL1Loss], graph: LayerGraph, *bottoms: str) -> str:
    """Magnitudes of differences, or their lengths; what is no number does not count."""
    params, shape = layer.params, layer.bottoms[0].shape or ()
    difference = graph.add("Sub", *bottoms) if len(bottoms) > 1 else bottoms[0]
    unknown = [graph.add("IsNaN", x) for x in bottoms]
    lost = graph.add("Or", *unknown) if len(unknown) > 1 else unknown[0]
    difference = graph.add("Where", lost, graph.floats(0.0), difference)
    channels = graph.as_floats(graph.sizes(bottoms[0], 1, 2)) if len(shape) > 1 else None
    if not params.l2_per_location:
        sizes = graph.add("Abs", difference)
        if params.plateau > 0:
            short = graph.add("Less", sizes, graph.floats(params.plateau))
            sizes = graph.add("Where", short, graph.floats(0.0), sizes)
        total = graph.total(sizes)
    else:
        total = graph.total(_lengths(params, graph, difference, channels))
    if not params.normalize_by_num_entries:
        return _over_the_batch(graph, total, bottoms[0])
    counts = graph.total(graph.add("Cast", graph.add("Not", lost), to=7))
    divisor = graph.as_floats(counts)
    if channels is not None:
        divisor = graph.add("Div", divisor, graph.squeeze(channels, 0))
    return graph.add("Div", total, divisor)


def _lengths(params: FlowL1Loss, graph: LayerGraph, x: str, channels: str | None) -> str:
    """The lengths at each place."""
    squares = graph.add("Mul", x, x)
    if channels is not None:
        squares = graph.add("ReduceSum", squares, graph.ints([1]), keepdims=1)
    else:
        squares = graph.add("ReduceSum", squares, keepdims=0)
    if params.l2_prescale_by_channels and channels is not None:
        squares = graph.add("Div", squares, channels)
    if params.plateau > 0:
        short = graph.add("Less", squares, graph.floats(params.plateau * params.plateau))
        squares = graph.add("Where", short, graph.floats(0.0), squares)
    return graph.add("Sqrt", graph.scaled(squares, shift=params.epsilon))


@to_onnx(SmoothL1Loss)
def smooth_l1_loss(
    layer: Layer[SmoothL1Loss], graph: LayerGraph, first: str, second: str, *weights: str
) -> str:
    """Squares of small differences and magnitudes of large ones, perhaps weighed, over N."""
    difference = _weighed(graph, first, second, weights[:1])
    losses = _smooth_l1(graph, difference, layer.params.sigma)
    for outside in weights[1:]:
        losses = graph.add("Mul", losses, graph.reshape(outside, -1))
    return _over_the_batch(graph, graph.total(losses), first)


@to_onnx(SmoothL1LossOHEM)
def smooth_l1_loss_ohem(
    layer: Layer[SmoothL1LossOHEM], graph: LayerGraph, first: str, second: str, *weights: str
) -> tuple[str, ...]:
    """The loss, and that of each region as second top."""
    missing = 4 - len(layer.bottoms[0].shape or ())
    losses = _smooth_l1(graph, _weighed(graph, first, second, weights))
    x = graph.unsqueeze(first, *range(4 - missing, 4))
    losses = graph.add("Reshape", losses, graph.add("Shape", x))
    by_region = graph.add("ReduceSum", losses, graph.ints([1]), keepdims=1)
    regions = graph.add("Size", by_region)
    divisor = divided_by(layer.params, graph, regions, regions, graph.size(first, 0))
    tops = (graph.add("Div", graph.total(losses), divisor), by_region)
    return tops[: len(layer.tops)]


def _weighed(graph: LayerGraph, first: str, second: str, weights: Sequence[str]) -> str:
    difference = _difference(graph, first, second)
    for inside in weights:
        difference = graph.add("Mul", difference, graph.reshape(inside, -1))
    return difference


def _smooth_l1(graph: LayerGraph, x: str, sigma: float = 1.0) -> str:
    """(sigma * d)^2 / 2 of small differences d, abs(d) - 1 / (2 sigma^2) of large ones."""
    square, sizes = sigma * sigma, graph.add("Abs", x)
    small = graph.scaled(graph.add("Mul", x, x), 0.5 * square)
    is_small = graph.add("Less", sizes, graph.floats(1 / square))
    return graph.add("Where", is_small, small, graph.scaled(sizes, shift=-0.5 / square))


@to_onnx(caffe.HingeLoss)
def hinge_loss(layer: Layer[caffe.HingeLoss], graph: LayerGraph, x: str, labels: str) -> str:
    """What misses to 1 for the label's score, and to -1 for the others, over N."""
    scores = graph.add("Flatten", x, axis=1)
    signs = one_hot(graph, flat_labels(graph, labels), graph.sizes(scores, 1), (1.0, -1.0))
    missing = graph.add("Relu", graph.scaled(graph.add("Mul", scores, signs), shift=1.0))
    operator = "ReduceSumSquare" if layer.params.norm == "L2" else "ReduceL1"
    return _over_the_batch(graph, graph.add(operator, missing, keepdims=0), x)


@to_onnx(caffe.ContrastiveLoss)
def contrastive_loss(
    layer: Layer[caffe.ContrastiveLoss], graph: LayerGraph, first: str, second: str, similar: str
) -> str:
    """Squared distances of similar pairs; what others miss to the margin."""
    params = layer.params
    vectors = (graph.add("Flatten", x, axis=1) for x in (first, second))
    squares = graph.add("ReduceSumSquare", graph.add("Sub", *vectors), axes=[1], keepdims=0)
    distances = squares if params.legacy_version else graph.add("Sqrt", squares)
    apart = graph.add("Relu", graph.add("Sub", graph.floats(params.margin), distances))
    if not params.legacy_version:
        apart = graph.add("Mul", apart, apart)
    is_similar = graph.add("Cast", flat_labels(graph, similar), to=9)
    total = graph.total(graph.add("Where", is_similar, squares, apart))
    return _over_the_batch(graph, graph.scaled(total, 0.5), first)


@to_onnx(caffe.SigmoidCrossEntropyLoss)
def sigmoid_cross_entropy_loss(
    layer: Layer[caffe.SigmoidCrossEntropyLoss], graph: LayerGraph, x: str, labels: str
) -> str:
    """Of elements that count; written so that nothing overflows."""
    scores, targets = graph.reshape(x, -1), graph.reshape(labels, -1)
    positive = graph.add("Cast", graph.add("GreaterOrEqual", scores, graph.floats(0.0)), to=1)
    missed = graph.add("Mul", scores, graph.add("Sub", positive, targets))
    rest = graph.add("Softplus", graph.add("Neg", graph.add("Abs", scores)))
    losses = graph.add("Add", missed, rest)
    counts = counted(graph, flat_labels(graph, labels), layer.params.ignore_label)
    return normalized(layer.params, graph, losses, counts, graph.size(x, 0))


def normalized(
    params: NormalizedLoss, graph: LayerGraph, losses: str, counts: str | None, batch: str
) -> str:
    """The sum of those losses that count, over a divisor.

    Args:
        params: tell the divisor.
        graph: where to add.
        losses: one for each label.
        counts: whether each counts; None: all do.
        batch: the divisor BATCH_SIZE.
    """
    full = valid = graph.add("Size", losses)
    if counts is not None:
        losses = graph.add("Where", counts, losses, graph.floats(0.0))
        valid = graph.total(graph.add("Cast", counts, to=7))
    return graph.add("Div", graph.total(losses), divided_by(params, graph, full, valid, batch))


def divided_by(params: NormalizedLoss, graph: LayerGraph, full: str, valid: str, batch: str) -> str:
    """The divisor of a sum, at least 1; the counts are named after the modes."""
    counts = {"FULL": full, "VALID": valid, "BATCH_SIZE": batch}
    if params.normalization in counts:
        count = graph.as_floats(counts[params.normalization])
        return graph.add("Max", count, graph.floats(1.0))
    return graph.floats(
        max(params.pre_fixed_normalizer, 1.0) if params.normalization == "PRE_FIXED" else 1.0
    )


def _difference(graph: LayerGraph, first: str, second: str) -> str:
    return graph.add("Sub", graph.reshape(first, -1), graph.reshape(second, -1))


def _over_the_batch(graph: LayerGraph, total: str, x: str) -> str:
    return graph.add("Div", total, graph.as_floats(graph.size(x, 0)))
