"""What every constructor does last."""

from __future__ import annotations

from pathlib import Path

from keras_fcn.device import describe_device
from keras_fcn.heads import activation
from keras_fcn.model import CaffeInfo, CaffeSequential
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.weights import load_weights


def finish(
    model: CaffeSequential,
    weights: str | Path | None,
    head: str | None,
    classifier_activation: str | None,
    preprocessing: Preprocessing,
) -> CaffeSequential:
    """Add the activation, note the preprocessing, load the weights.

    Args:
        model: the network up to its logits.
        weights: a file, or None.
        head: the layer that gives the logits; None without a top.
        classifier_activation: see :func:`keras_fcn.heads.activation`.
        preprocessing: how images are prepared for the network.
    """
    if head is not None and classifier_activation is not None:
        model.add(activation(classifier_activation))
    model.caffe = CaffeInfo(model.name, preprocessing=preprocessing.to_config())
    if weights is not None:
        load_weights(model, weights, new=(head,) if head else ())
    describe_device()
    return model
