"""Errors of operations on Keras models, in the words of this package alone."""

from __future__ import annotations

import re
from importlib.util import find_spec

from keras_fcn.caffe.errors import CaffeError, UnsupportedLayerError

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NODE = re.compile(r"\{\{[^{}]*\}\}\s*")
_CALLING = re.compile(r"\s*Exception encountered when calling [^\n]*\n?")
_MAKING = re.compile(r"Error when deserializing class .*Exception encountered: ", re.DOTALL)
_ARGUMENTS = re.compile(r"\s*Arguments received by .*", re.DOTALL)


class UnfitSizeError(ValueError):
    """A network takes no images of this size."""


class BackendError(CaffeError, RuntimeError):
    """What Keras' backend cannot do."""


class ModelError(UnsupportedLayerError, ValueError):
    """A Keras model, or one of its layers, on which an operation has no meaning."""


def plain_reason(error: BaseException) -> str:
    """An error's own reason in one line, without what Keras and TensorFlow put around it."""
    text = _COLOUR.sub("", str(error))
    for pattern in (_MAKING, _CALLING, _ARGUMENTS, _NODE):
        text = pattern.sub("", text)
    text = " ".join(text.split())
    return text or type(error).__name__


def require_tensorflow(what: str, instead: str) -> None:
    """Require that Keras runs on TensorFlow.

    Args:
        what: what only TensorFlow does, as a subject.
        instead: how to come by it, or what to use in its place.

    Raises:
        BackendError: it runs on another backend; the message says what to install.
    """
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        return
    missing = "" if find_spec("tensorflow") else ", which is not installed (pip install tensorflow)"
    raise BackendError(
        f"{what} needs TensorFlow{missing}, and Keras on it (KERAS_BACKEND=tensorflow); "
        f"{instead}. Received: Keras on {backend}"
    )
