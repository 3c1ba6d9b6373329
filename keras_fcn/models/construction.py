"""What every constructor does last."""

from __future__ import annotations

import warnings
from pathlib import Path

from convert.errors import CaffeWarning
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
        report = load_weights(model, weights, new=(head,) if head else ())
        if head is not None and head not in report.loaded:
            warnings.warn(
                f"{weights} does not fit {head!r}, which keeps its random weights: the network "
                "has to be trained for its classes",
                CaffeWarning,
                stacklevel=3,
            )
    describe_device()
    return model
