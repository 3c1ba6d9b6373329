"""Keras layer -> the typed parameters of the Caffe layer that it is, one function a class.

A new class is one `@unbuilds` function in the module of its family.
"""

from __future__ import annotations

from keras_fcn.unbuilder import (  # noqa: F401  each registers its classes
    activation,
    convolution,
    ctc,
    detection,
    joining,
    loss,
    normalization,
    pooling,
    priors,
    proposal,
    recurrent,
    resizing,
    scale,
    shape,
    yolo,
)
from keras_fcn.unbuilder.registry import REASONS, UNBUILDERS, unbuild, unbuilds

__all__ = ["REASONS", "UNBUILDERS", "unbuild", "unbuilds"]
