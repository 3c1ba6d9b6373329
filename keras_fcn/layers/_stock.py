"""Keras' own layers, channels-last whatever `keras.json` says."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras


def _channels_last(kind: Callable[..., Any]) -> Callable[..., Any]:
    return partial(kind, data_format="channels_last")


Conv1D = _channels_last(keras.layers.Conv1D)
Conv2D = _channels_last(keras.layers.Conv2D)
Conv3D = _channels_last(keras.layers.Conv3D)
Flatten = _channels_last(keras.layers.Flatten)
UpSampling2D = _channels_last(keras.layers.UpSampling2D)
ZeroPadding2D = _channels_last(keras.layers.ZeroPadding2D)
