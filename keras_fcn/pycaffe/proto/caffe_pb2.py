"""Caffe's messages by name, such as `NetParameter`, `BlobProto` and `Datum`.

With the fields of Caffe's forks; google.protobuf's `text_format` reads and writes them.
"""

from __future__ import annotations

from typing import Any

from keras_fcn.caffe.proto import schema
from keras_fcn.pycaffe.modes import TEST, TRAIN

__all__ = ["TEST", "TRAIN"]


def __getattr__(name: str) -> Any:
    try:
        return type(schema.new(name))
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no message {name!r}") from None
