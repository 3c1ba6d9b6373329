"""The quick passes of a model, on whatever backend Keras runs."""

from __future__ import annotations

from typing import Any

import keras

from keras_fcn.core import compiled
from keras_fcn.core.jax_passes import JaxPasses
from keras_fcn.core.torch_passes import TorchPasses

_KINDS: dict[str, Any] = {
    "jax": JaxPasses,
    "tensorflow": compiled.CompiledPasses,
    "torch": TorchPasses,
}


def passes_of(model: keras.Model) -> Any:
    """The passes of a model."""
    return _KINDS[keras.backend.backend()](model)


def passes_are_free() -> bool:
    """Whether nothing but its outputs is asked of a pass that is made now.

    See `keras_fcn.core.compiled`; elsewhere whether variables have their own values, and one
    device. PyTorch's passes look for gradients themselves.
    """
    if keras.backend.backend() in ("jax", "torch"):
        return keras.distribution.distribution() is None and not compiled.is_stateless()
    return compiled.passes_are_free()
