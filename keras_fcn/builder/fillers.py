"""Caffe's fillers as Keras initializers. Source: ``include/caffe/filler.hpp``."""

from __future__ import annotations

from collections.abc import Callable

import keras

from convert.errors import UnsupportedLayerError
from convert.layers import Filler
from keras_fcn.initializers import Bilinear

_MODES = {"FAN_IN": "fan_in", "FAN_OUT": "fan_out", "AVERAGE": "fan_avg"}


def _scaling(filler: Filler, scale: float, distribution: str) -> keras.Initializer:
    return keras.initializers.VarianceScaling(
        scale=scale, mode=_MODES[filler.variance_norm], distribution=distribution
    )


_INITIALIZERS: dict[str, Callable[[Filler], keras.Initializer]] = {
    "bilinear": lambda _: Bilinear(),
    "constant": lambda f: keras.initializers.Constant(f.value),
    "uniform": lambda f: keras.initializers.RandomUniform(f.min, f.max),
    "gaussian": lambda f: keras.initializers.RandomNormal(f.mean, f.std),
    "xavier": lambda f: _scaling(f, 1.0, "uniform"),
    "msra": lambda f: _scaling(f, 2.0, "untruncated_normal"),
}


def initializer(filler: Filler) -> keras.Initializer:
    """The Keras initializer that draws what a filler draws.

    Raises:
        UnsupportedLayerError: there is none for this filler.
    """
    make = _INITIALIZERS.get(filler.type)
    if make is None or filler.sparse >= 0:
        raise UnsupportedLayerError(
            f"filler type {filler.type!r} (sparse: {filler.sparse}) is not built; it is one of "
            f"{', '.join(_INITIALIZERS)}, without sparse"
        )
    return make(filler)
