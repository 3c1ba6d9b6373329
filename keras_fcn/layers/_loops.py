"""Loops of many small operations, which are quick in one graph and slow one by one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras


def one_graph(function: Callable[..., Any]) -> Callable[..., Any]:
    """Run a function of tensors in one graph where its tensors are eager.

    A loop that TensorFlow runs takes a hundredth of the time of one whose operations Python
    calls. The graph is kept, and serves tensors of all sizes. Where a graph is being made
    already, and with other backends, the function is called as it is.

    Args:
        function: takes tensors and numbers; each value of a number makes a graph.
    """

    @functools.cache
    def compiled() -> Callable[..., Any]:
        import tensorflow as tf

        run: Callable[..., Any] = tf.function(function, autograph=False, reduce_retracing=True)
        return run

    @functools.wraps(function)
    def run(*args: Any) -> Any:
        if not _are_eager(args):
            return function(*args)
        return compiled()(*args)

    return run


def _are_eager(args: tuple[Any, ...]) -> bool:
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    numbers = int | float
    return tf.executing_eagerly() and all(isinstance(x, numbers | tf.Tensor) for x in args)
