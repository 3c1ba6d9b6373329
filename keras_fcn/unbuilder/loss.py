"""Losses and measures."""

from __future__ import annotations

from typing import Any

from keras_fcn import layers
from keras_fcn.caffe.layers import LayerParams, smooth_l1
from keras_fcn.caffe.layers import loss as caffe
from keras_fcn.caffe.layers.accuracy import Accuracy
from keras_fcn.caffe.layers.l1_loss import FlowL1Loss, L1Loss
from keras_fcn.caffe.layers.softmax_loss import InfogainLoss, SoftmaxWithLoss, SoftmaxWithLossOHEM
from keras_fcn.unbuilder.registry import alike, unbuilds, unbuilds_alike

unbuilds_alike(
    {
        layers.Accuracy: Accuracy,
        layers.BoxAnnotatorOHEM: smooth_l1.BoxAnnotatorOHEM,
        layers.ContrastiveLoss: caffe.ContrastiveLoss,
        layers.EuclideanLoss: caffe.EuclideanLoss,
        layers.FlowL1Loss: FlowL1Loss,
        layers.HingeLoss: caffe.HingeLoss,
        layers.L1Loss: L1Loss,
        layers.MultinomialLogisticLoss: caffe.MultinomialLogisticLoss,
        layers.SigmoidCrossEntropyLoss: caffe.SigmoidCrossEntropyLoss,
        layers.SmoothL1Loss: smooth_l1.SmoothL1Loss,
        layers.SmoothL1LossOHEM: smooth_l1.SmoothL1LossOHEM,
    }
)


@unbuilds(layers.SoftmaxWithLoss)
def softmax_with_loss(layer: Any) -> LayerParams:
    """Further outputs are R-FCN's."""
    return alike(layer, SoftmaxWithLossOHEM if layer.outputs > 1 else SoftmaxWithLoss)


@unbuilds(layers.InfogainLoss)
def infogain_loss(layer: Any) -> LayerParams | None:
    """With H as third bottom; one that the layer holds is a further layer, or a file."""
    return None if layer.infogain is not None else alike(layer, InfogainLoss)
