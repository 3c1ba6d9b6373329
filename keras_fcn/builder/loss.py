"""Losses and Accuracy."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.layers import LayerParams
from keras_fcn.caffe.layers import loss as caffe
from keras_fcn.caffe.layers.accuracy import Accuracy
from keras_fcn.caffe.layers.l1_loss import FlowL1Loss, L1Loss
from keras_fcn.caffe.layers.smooth_l1 import BoxAnnotatorOHEM, SmoothL1Loss, SmoothL1LossOHEM
from keras_fcn.caffe.layers.softmax_loss import InfogainLoss, SoftmaxWithLoss, SoftmaxWithLossOHEM
from keras_fcn.caffe.net.infogain import infogain_matrix
from keras_fcn.caffe.net.network import Layer

# Layers whose arguments are the fields of the Caffe type.
_LAYERS: dict[type[LayerParams], type[keras.layers.Layer]] = {
    caffe.ContrastiveLoss: layers.ContrastiveLoss,
    caffe.EuclideanLoss: layers.EuclideanLoss,
    caffe.HingeLoss: layers.HingeLoss,
    FlowL1Loss: layers.FlowL1Loss,
    L1Loss: layers.L1Loss,
    caffe.MultinomialLogisticLoss: layers.MultinomialLogisticLoss,
    caffe.SigmoidCrossEntropyLoss: layers.SigmoidCrossEntropyLoss,
    SmoothL1Loss: layers.SmoothL1Loss,
}


@builds(*_LAYERS)
def loss(layer: Layer, *tensors: Any) -> Any:
    """A layer that gives the loss as a number; no gradient goes to labels."""
    return _LAYERS[type(layer.params)](**_arguments(layer))(list(tensors))


@builds(SoftmaxWithLoss, SoftmaxWithLossOHEM)
def softmax_with_loss(layer: Layer, *tensors: Any) -> Any:
    """A layer that gives the loss, and the softmax and each position's loss as further tops."""
    arguments = _arguments(layer)
    tops = layers.SoftmaxWithLoss(outputs=len(layer.tops), **arguments)(list(tensors))
    return _tops(tops)


@builds(SmoothL1LossOHEM)
def smooth_l1_loss_ohem(layer: Layer, *tensors: Any) -> Any:
    """A layer that gives the loss, and each region's loss as second top."""
    arguments = _arguments(layer)
    tops = layers.SmoothL1LossOHEM(by_region=len(layer.tops) > 1, **arguments)(list(tensors))
    return _tops(tops)


@builds(BoxAnnotatorOHEM)
def box_annotator_ohem(layer: Layer, *tensors: Any) -> Any:
    """A layer with the same arguments."""
    return _tops(layers.BoxAnnotatorOHEM(**_arguments(layer))(list(tensors)))


@builds(InfogainLoss)
def infogain_loss(layer: Layer[InfogainLoss], *tensors: Any) -> Any:
    """H is read from the file, or is the third bottom."""
    arguments = _arguments(layer)
    del arguments["source"]
    if len(tensors) == 2:
        arguments["infogain"] = infogain_matrix(layer).tolist()
    tops = layers.InfogainLoss(with_probabilities=len(layer.tops) > 1, **arguments)(list(tensors))
    return _tops(tops)


@builds(Accuracy)
def accuracy(layer: Layer, *tensors: Any) -> Any:
    """A layer that gives the accuracy, and that of each class as second top."""
    tops = layers.Accuracy(per_class=len(layer.tops) > 1, **_arguments(layer))(list(tensors))
    return _tops(tops)


def _tops(tops: Any) -> Any:
    """Several tops as a tuple."""
    return tuple(tops) if isinstance(tops, list | tuple) else tops


def _arguments(layer: Layer) -> dict[str, Any]:
    """Labels of enums are in lower case in Keras."""
    fields = dataclasses.asdict(layer.params)
    named = {
        name: value.lower() if name in ("normalization", "norm") else value
        for name, value in fields.items()
    }
    return {**named, "name": layer.keras_name}
