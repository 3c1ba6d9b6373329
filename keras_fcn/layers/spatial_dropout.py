"""ENet's spatial dropout."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="keras_fcn")
class SpatialDropout(keras.layers.SpatialDropout2D):
    """Drops whole channels while training, and scales what stays by 1 / (1 - rate).

    It differs from Keras' own in one setting. ENet's layer scales when tested too, where
    nothing is dropped; weights trained with it may have been fitted to that.

    Source: Tompson et al., "Efficient Object Localization Using Convolutional Networks";
    `python/spatial_dropout.py` of the Caffe of TimoSaemann/ENet. There the gradient of
    a batch takes the last image's dropped channels for all; here it takes each its own.

    Args:
        rate: the share of the channels to drop, between 0 and 1.
        scale_when_tested: multiply by 1 / (1 - rate) when not training.
        **kwargs: arguments of `keras.layers.SpatialDropout2D`.

    Input shape:
        (N, H, W, C).

    Output shape:
        The input's.
    """

    def __init__(self, rate: float, scale_when_tested: bool = False, **kwargs: Any) -> None:
        super().__init__(rate, **{"data_format": "channels_last", **kwargs})
        self.scale_when_tested = scale_when_tested

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drop channels of (N, H, W, C)."""
        if self.scale_when_tested and not training:
            return inputs / (1 - self.rate)
        return super().call(inputs, training=training)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "scale_when_tested": self.scale_when_tested}
