"""Dropout that does not stop when a model is put to use."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="keras_fcn")
class SampledDropout(keras.layers.Dropout):
    """Dropout while training and afterwards: each pass samples another network.

    Source: `sample_weights_test` of alexgkendall/caffe-segnet; Kendall, Badrinarayanan and
    Cipolla, "Bayesian SegNet", 2015.

    Args:
        rate: the share of the values to drop, between 0 and 1.
        **kwargs: arguments of `keras.layers.Dropout`.

    Input shape:
        Any.

    Output shape:
        The input's.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drop, and scale what stays by 1 / (1 - rate)."""
        return super().call(inputs, training=True)
