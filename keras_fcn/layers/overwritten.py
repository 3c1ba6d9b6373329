"""Effect of Caffe's in-place layers on other blobs in the same memory."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_fcn.layers._axes import channels_first, channels_last
from keras_fcn.layers._base import CaffeLayer
from keras_fcn.layers._gradients import own_gradient


@keras.saving.register_keras_serializable(package="keras_fcn")
class Overwritten(CaffeLayer):
    """A blob whose memory another one, of any shape, has been written into.

    The gradient is the blob's own: Caffe's readers of both have each a gradient of their
    own, which does not pass the layer that wrote.

    Source: `ShareData` and Split's backward pass in BVLC Caffe 1.0.

    Input shape:
        The blob as it was, and the blob that was changed in place: as many elements.

    Output shape:
        That of the first.
    """

    def call(self, inputs: Any) -> Any:
        """The elements of the second blob in the first one's shape, both (N, ..., C)."""
        old, new = inputs
        values = ops.reshape(channels_first(new), ops.shape(channels_first(old)))
        return _with_gradient_of(old, channels_last(values))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The first input's."""
        return input_shape[0]


@own_gradient
def _with_gradient_of(old: Any, values: Any) -> Any:
    return values, lambda upstream: (upstream, ops.zeros_like(values))
