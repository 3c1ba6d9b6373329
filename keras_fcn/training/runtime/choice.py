"""The runtime of the backend that Keras was started with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from keras_fcn.training.runtime.interface import Runtime

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["current_runtime", "find_runtime", "find_strategy", "strategy_on"]


def find_strategy() -> tf.distribute.Strategy:
    """The strategy of TensorFlow that the machine asks for.

    With `TF_CONFIG` and several workers in it, `MultiWorkerMirroredStrategy`: every worker runs
    the same command, and calls this before it makes a model. With several GPUs
    `MirroredStrategy`. Else TensorFlow's default, one device.

    Raises:
        ValueError: TensorFlow has worked already, and cannot join other workers any more; or
            Keras runs on another backend.
    """
    if keras.backend.backend() != "tensorflow":
        raise _not_of_tensorflow("find_strategy()")
    from keras_fcn.training.runtime import on_tensorflow

    return on_tensorflow.find_strategy()


def strategy_on(gpus: str) -> tf.distribute.Strategy | None:
    """The strategy of some GPUs of this host; None for the device that is used anyway.

    Args:
        gpus: their numbers with commas between, or `all`.

    Raises:
        ValueError: there is no such GPU, or Keras runs on another backend.
    """
    if gpus == "0":
        return None
    if keras.backend.backend() != "tensorflow":
        raise _not_of_tensorflow(f"GPUs by number, {gpus},")
    from keras_fcn.training.runtime import on_tensorflow

    return on_tensorflow.strategy_on(gpus)


def find_runtime(strategy: Any = None) -> Runtime:
    """What a run computes with.

    Args:
        strategy: of TensorFlow; None for what `find_strategy` says, and on other backends.

    Raises:
        ValueError: a strategy on a backend that has none, or a backend that trains nothing.
        TypeError: the strategy is none.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        from keras_fcn.training.runtime.on_tensorflow import TensorFlowRuntime, require_strategy

        if strategy is not None:
            require_strategy(strategy)
        return TensorFlowRuntime(strategy or find_strategy())
    if strategy is not None:
        raise _not_of_tensorflow(f"strategy={strategy!r}")
    if backend == "jax":
        from keras_fcn.training.runtime.on_jax import JaxRuntime

        return JaxRuntime()
    if backend == "torch":
        from keras_fcn.training.runtime.on_torch import TorchRuntime

        return TorchRuntime()
    raise ValueError(
        "training and evaluation run on the Keras backends tensorflow, jax and torch; set "
        f"KERAS_BACKEND. Received: {backend!r}"
    )


def current_runtime() -> Runtime:
    """What computes where nobody asks for devices: on TensorFlow the strategy whose scope it is."""
    if keras.backend.backend() != "tensorflow":
        return find_runtime()
    import tensorflow as tf

    return find_runtime(tf.distribute.get_strategy())


def _not_of_tensorflow(received: str) -> ValueError:
    return ValueError(
        "strategies of tf.distribute are TensorFlow's; on the Keras backend "
        f"{keras.backend.backend()!r} one device trains. Received: {received}"
    )
