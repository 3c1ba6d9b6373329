"""Errors of operations on Keras models, in the words of this package alone."""

from __future__ import annotations

import re

from keras_fcn.caffe.errors import UnsupportedLayerError

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NODE = re.compile(r"\{\{[^{}]*\}\}\s*")
_CALLING = re.compile(r"\s*Exception encountered when calling [^\n]*\n?")
_MAKING = re.compile(r"Error when deserializing class .*Exception encountered: ", re.DOTALL)
_ARGUMENTS = re.compile(r"\s*Arguments received by .*", re.DOTALL)


class ModelError(UnsupportedLayerError, ValueError):
    """A Keras model, or one of its layers, on which an operation has no meaning."""


def plain_reason(error: BaseException) -> str:
    """An error's own reason in one line, without what Keras and TensorFlow put around it."""
    text = _COLOUR.sub("", str(error))
    for pattern in (_MAKING, _CALLING, _ARGUMENTS, _NODE):
        text = pattern.sub("", text)
    text = " ".join(text.split())
    return text or type(error).__name__
