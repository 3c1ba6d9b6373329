"""Losses of class probabilities, and Accuracy."""

from __future__ import annotations

import math

import numpy as np

from keras_fcn.caffe.layers.accuracy import Accuracy
from keras_fcn.caffe.layers.base import canonical_axis
from keras_fcn.caffe.layers.loss import MultinomialLogisticLoss
from keras_fcn.caffe.layers.softmax_loss import InfogainLoss, SoftmaxWithLoss, SoftmaxWithLossOHEM
from keras_fcn.caffe.net.infogain import infogain_matrix
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.labels import (
    by_position,
    counted,
    flat_labels,
    known_labels,
    of_labels,
    one_hot,
)
from keras_fcn.caffe.onnx.losses import normalized
from keras_fcn.caffe.onnx.registry import to_onnx

_SMALLEST = math.log(float(np.finfo(np.float32).tiny))  # FLT_MIN
_THRESHOLD = 1e-20  # kLOG_THRESHOLD


@to_onnx(SoftmaxWithLoss, SoftmaxWithLossOHEM)
def softmax_with_loss(
    layer: Layer[SoftmaxWithLoss], graph: LayerGraph, x: str, labels: str
) -> tuple[str, ...]:
    """The loss; as further tops the softmax and each position's loss."""
    params, shape = layer.params, layer.bottoms[0].shape or ()
    axis = canonical_axis(params.axis, len(shape))
    told = flat_labels(graph, labels)
    counts = counted(graph, told, params.ignore_label)
    known = known_labels(graph, told, counts)
    logs = graph.add("LogSoftmax", by_position(graph, x, axis, shape), axis=1)
    found = graph.add("Max", of_labels(graph, logs, known), graph.floats(_SMALLEST))
    losses = graph.add("Neg", graph.reshape(found, -1))
    if params.class_weighting:
        factors = graph.add("Gather", graph.floats(params.class_weighting), known, axis=0)
        losses = graph.add("Mul", losses, factors)
    tops = [normalized(params, graph, losses, counts, _count_before(graph, x, axis))]
    if len(layer.tops) > 1:
        tops.append(graph.add("Softmax", x, axis=axis))
    if len(layer.tops) > 2:
        if counts is not None:
            losses = graph.add("Where", counts, losses, graph.floats(0.0))
        tops.append(graph.add("Reshape", losses, graph.add("Shape", labels)))
    return tuple(tops)


@to_onnx(InfogainLoss)
def infogain_loss(
    layer: Layer[InfogainLoss], graph: LayerGraph, x: str, labels: str, *given: str
) -> tuple[str, ...]:
    """H is read from the file, or is the third bottom."""
    params, shape = layer.params, layer.bottoms[0].shape or ()
    axis = canonical_axis(params.axis, len(shape))
    told = flat_labels(graph, labels)
    counts = counted(graph, told, params.ignore_label)
    logs = graph.add("LogSoftmax", by_position(graph, x, axis, shape), axis=1)
    logs = graph.add("Max", logs, graph.floats(math.log(_THRESHOLD)))
    if given:
        side = graph.sizes(logs, 1)
        sides = graph.add("Concat", side, side, axis=0)
        matrix = graph.add("Reshape", given[0], sides)
    else:
        matrix = graph.floats(infogain_matrix(layer))
    demanded = graph.add("Gather", matrix, known_labels(graph, told, counts), axis=0)
    agreed = graph.add("Mul", demanded, logs)
    losses = graph.add("Neg", graph.add("ReduceSum", agreed, graph.ints([1]), keepdims=0))
    loss = normalized(params, graph, losses, counts, _count_before(graph, x, axis))
    return (loss, graph.add("Softmax", x, axis=axis)) if len(layer.tops) > 1 else (loss,)


@to_onnx(MultinomialLogisticLoss)
def multinomial_logistic_loss(
    layer: Layer[MultinomialLogisticLoss], graph: LayerGraph, x: str, labels: str
) -> str:
    """Mean of -log of the label's probability."""
    found = of_labels(graph, graph.add("Flatten", x, axis=1), flat_labels(graph, labels))
    logs = graph.add("Log", graph.add("Max", found, graph.floats(_THRESHOLD)))
    return graph.add("Neg", graph.add("ReduceMean", logs, keepdims=0))


@to_onnx(Accuracy)
def accuracy(layer: Layer[Accuracy], graph: LayerGraph, x: str, labels: str) -> tuple[str, ...]:
    """Share of the labels with fewer than `top_k` other classes as good, all and by class."""
    params = layer.params
    scores = by_position(graph, x, params.axis, layer.bottoms[0].shape or ())
    told = flat_labels(graph, labels)
    counts = counted(graph, told, params.ignore_label)
    known = known_labels(graph, told, counts)
    as_good = graph.add("GreaterOrEqual", scores, of_labels(graph, scores, known))
    better = graph.add("Cast", as_good, to=7)
    better = graph.add("ReduceSum", better, graph.ints([1]), keepdims=0)  # itself too
    right = graph.add("LessOrEqual", better, graph.ints(params.top_k))
    if counts is None:
        counts = graph.add("Equal", told, told)
    else:
        right = graph.add("And", right, counts)
    pair = [graph.as_floats(found) for found in (right, counts)]
    tops = [_share(graph, *map(graph.total, pair))]
    if len(layer.tops) > 1:
        classes = one_hot(graph, known, graph.sizes(scores, 1), (0.0, 1.0))
        each = (graph.add("Mul", graph.unsqueeze(found, 1), classes) for found in pair)
        tops.append(_share(graph, *(_along_positions(graph, found) for found in each)))
    return tuple(tops)


def _along_positions(graph: LayerGraph, x: str) -> str:
    return graph.add("ReduceSum", x, graph.ints([0]), keepdims=0)


def _share(graph: LayerGraph, part: str, whole: str) -> str:
    return graph.add("Div", part, graph.add("Max", whole, graph.floats(1.0)))


def _count_before(graph: LayerGraph, x: str, axis: int) -> str:
    """Number of vectors along the axes before one, which Caffe calls the batch."""
    if axis == 0:
        return graph.ints(1)
    return graph.add("ReduceProd", graph.sizes(x, 0, axis), keepdims=0)
