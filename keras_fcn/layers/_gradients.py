"""Functions whose gradients are Caffe's, not those of what they compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec

from keras import ops

_Arguments = ParamSpec("_Arguments")


def own_gradient(
    function: Callable[_Arguments, tuple[Any, Callable[[Any], Any]]],
) -> Callable[_Arguments, Any]:
    """Let a function of tensors tell its own gradient.

    Args:
        function: gives its value, and a function of the value's gradient that gives those of
            the arguments.

    Returns:
        The function that gives the value alone.
    """

    def both(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Any:
        value, gradient = function(*args, **kwargs)

        def of_upstream(*args: Any, upstream: Any = None) -> Any:
            return gradient(args[0] if upstream is None else upstream)  # by name in PyTorch and JAX

        return value, of_upstream

    made: Callable[_Arguments, Any] = ops.custom_gradient(both)
    return made
