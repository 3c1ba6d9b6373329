"""The device that Keras' backend computes on; TensorFlow's GPU memory grows as it is needed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache

logger = logging.getLogger("keras_fcn")


@cache
def describe_device() -> str:
    """Turn on TensorFlow's memory growth and say, once, which device is used.

    Returns:
        The message, which is also logged to `keras_fcn` at level INFO.
    """
    import keras

    backend = keras.backend.backend()
    title, gpus = _BACKENDS.get(backend, (backend, list))
    names = gpus()
    where = f"GPU: {', '.join(names)}" if names else f"CPU ({title} sees no GPU)"
    other = f", with {title}" if names and backend != "tensorflow" else ""
    message = f"keras-fcn runs on {where}{other}"
    logger.info(message)
    return message


def has_gpu() -> bool:
    """Whether TensorFlow sees a GPU."""
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _of_tensorflow() -> list[str]:
    import tensorflow as tf

    names = []
    for gpu in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:  # TensorFlow runs already; its setting stays
            logger.debug("memory growth of %s cannot be changed any more", gpu.name)
        details = tf.config.experimental.get_device_details(gpu)
        names.append(details.get("device_name", gpu.name))
    return names


def _of_jax() -> list[str]:
    import jax

    return [device.device_kind for device in jax.devices() if device.platform != "cpu"]


def _of_torch() -> list[str]:
    import torch

    if torch.backends.mps.is_available():
        return ["Apple's"]
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


_BACKENDS: dict[str, tuple[str, Callable[[], list[str]]]] = {
    "jax": ("JAX", _of_jax),
    "tensorflow": ("TensorFlow", _of_tensorflow),
    "torch": ("PyTorch", _of_torch),
}
