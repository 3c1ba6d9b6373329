"""Losses of distances and margins: one number for all images."""

from __future__ import annotations

from keras_fcn.caffe.layers import loss as caffe
from keras_fcn.caffe.layers.l1_loss import FlowL1Loss, L1Loss
from keras_fcn.caffe.layers.loss import NormalizedLoss
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.labels import counted, flat_labels, one_hot
from keras_fcn.caffe.onnx.registry import to_onnx


@to_onnx(caffe.EuclideanLoss)
def euclidean_loss(layer: Layer, graph: LayerGraph, first: str, second: str) -> str:
    """Sum of squared differences over 2 N."""
    squares = graph.add("ReduceSumSquare", difference(graph, first, second), keepdims=0)
    return over_the_batch(graph, graph.scaled(squares, 0.5), first)


@to_onnx(L1Loss)
def l1_loss(layer: Layer, graph: LayerGraph, first: str, second: str) -> str:
    """Sum of the magnitudes of differences over N."""
    total = graph.add("ReduceL1", difference(graph, first, second), keepdims=0)
    return over_the_batch(graph, total, first)


@to_onnx(FlowL1Loss)
def flow_l1_loss(layer: Layer[FlowL1Loss], graph: LayerGraph, *bottoms: str) -> str:
    """Magnitudes of differences, or their lengths; what is no number does not count."""
    params = layer.params
    if len(layer.bottoms[0].shape or ()) == 1:
        bottoms = tuple(graph.unsqueeze(x, 1) for x in bottoms)
    unknown = [graph.add("IsNaN", x) for x in bottoms]
    lost = graph.add("Or", *unknown) if len(unknown) > 1 else unknown[0]
    x = graph.add("Sub", *bottoms) if len(bottoms) > 1 else bottoms[0]
    x = graph.add("Where", lost, graph.floats(0.0), x)
    channels = graph.as_floats(graph.size(x, 1))
    if params.l2_per_location:
        squares = graph.add("ReduceSumSquare", x, axes=[1], keepdims=1)
        if params.l2_prescale_by_channels:
            squares = graph.add("Div", squares, channels)
        squares = _without_short(graph, squares, params.plateau * params.plateau)
        sizes = graph.add("Sqrt", graph.scaled(squares, shift=params.epsilon))
    else:
        sizes = _without_short(graph, graph.add("Abs", x), params.plateau)
    total = graph.total(sizes)
    if not params.normalize_by_num_entries:
        return over_the_batch(graph, total, x)
    counts = graph.as_floats(graph.total(graph.add("Cast", graph.add("Not", lost), to=7)))
    return graph.add("Div", total, graph.add("Div", counts, channels))


def _without_short(graph: LayerGraph, sizes: str, plateau: float) -> str:
    """0 for what is below the plateau, if there is one."""
    if plateau <= 0:
        return sizes
    short = graph.add("Less", sizes, graph.floats(plateau))
    return graph.add("Where", short, graph.floats(0.0), sizes)


@to_onnx(caffe.HingeLoss)
def hinge_loss(layer: Layer[caffe.HingeLoss], graph: LayerGraph, x: str, labels: str) -> str:
    """What misses to 1 for the label's score, and to -1 for the others, over N."""
    scores = graph.add("Flatten", x, axis=1)
    signs = one_hot(graph, flat_labels(graph, labels), graph.sizes(scores, 1), (1.0, -1.0))
    missing = graph.add("Relu", graph.scaled(graph.add("Mul", scores, signs), shift=1.0))
    operator = "ReduceSumSquare" if layer.params.norm == "L2" else "ReduceL1"
    return over_the_batch(graph, graph.add(operator, missing, keepdims=0), x)


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
    return over_the_batch(graph, graph.scaled(total, 0.5), first)


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


def difference(graph: LayerGraph, first: str, second: str) -> str:
    """All elements of one less those of another, compared in their order."""
    return graph.add("Sub", graph.reshape(first, -1), graph.reshape(second, -1))


def over_the_batch(graph: LayerGraph, total: str, x: str) -> str:
    """Over the number of images of a tensor."""
    return graph.add("Div", total, graph.as_floats(graph.size(x, 0)))
