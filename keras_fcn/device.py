"""The device that TensorFlow computes on; GPU memory grows as it is needed."""

from __future__ import annotations

import logging
from functools import cache

logger = logging.getLogger("keras_fcn")


@cache
def describe_device() -> str:
    """Turn on memory growth and say, once, which device is used.

    Returns:
        The message, which is also logged to `keras_fcn` at level INFO.
    """
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    names = []
    for gpu in gpus:
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:  # TensorFlow runs already; its setting stays
            logger.debug("memory growth of %s cannot be changed any more", gpu.name)
        details = tf.config.experimental.get_device_details(gpu)
        names.append(details.get("device_name", gpu.name))
    where = f"GPU: {', '.join(names)}" if names else "CPU (TensorFlow sees no GPU)"
    message = f"keras-fcn runs on {where}"
    logger.info(message)
    return message
