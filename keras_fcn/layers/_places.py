"""Places of what is true."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def places_of(mask: Any) -> tuple[Any, ...]:
    """Places of what is true, int32: a vector for each axis, as `ops.nonzero` gives them.

    With TensorFlow Keras takes them apart as int64, for which LiteRT has no operator.
    """
    if keras.backend.backend() != "tensorflow":
        return tuple(ops.cast(places, "int32") for places in ops.nonzero(mask))
    import tensorflow as tf

    places = tf.cast(tf.where(mask), "int32")
    return tuple(places[:, axis] for axis in range(len(mask.shape)))
