"""`caffe.io`: images and messages as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.layers.base import Array
from keras_fcn.pycaffe.images import load_image, oversample, resize_image
from keras_fcn.pycaffe.proto import caffe_pb2
from keras_fcn.pycaffe.transformer import Transformer

__all__ = [
    "Transformer",
    "array_to_blobproto",
    "array_to_datum",
    "blobproto_to_array",
    "caffe_pb2",
    "datum_to_array",
    "load_image",
    "oversample",
    "resize_image",
]

_LEGACY = ("num", "channels", "height", "width")


def blobproto_to_array(blob: Any, return_diff: bool = False) -> Array:
    """The numbers of a `BlobProto` in its shape, as in a mean file.

    Args:
        blob: the message, see `caffe_pb2`.
        return_diff: give its gradient instead.
    """
    data = np.array(blob.diff if return_diff else blob.data, np.float32)
    if any(blob.HasField(name) for name in _LEGACY):
        return data.reshape([getattr(blob, name) for name in _LEGACY])
    return data.reshape(list(blob.shape.dim))


def array_to_blobproto(arr: npt.ArrayLike, diff: npt.ArrayLike | None = None) -> Any:
    """A `BlobProto` of an array, and of its gradient where there is one."""
    array = np.asarray(arr)
    blob = caffe_pb2.BlobProto()
    blob.shape.dim.extend(array.shape)
    blob.data.extend(array.astype(float).ravel())
    if diff is not None:
        blob.diff.extend(np.asarray(diff).astype(float).ravel())
    return blob


def array_to_datum(arr: npt.ArrayLike, label: int | None = None) -> Any:
    """A `Datum` of (channels, height, width): bytes of uint8, else floats.

    Raises:
        ValueError: another number of axes.
    """
    array = np.asarray(arr)
    if array.ndim != 3:
        raise ValueError(f"a Datum holds (channels, height, width). Received: {array.shape}")
    datum = caffe_pb2.Datum()
    datum.channels, datum.height, datum.width = array.shape
    if array.dtype == np.uint8:
        datum.data = array.tobytes()
    else:
        datum.float_data.extend(array.astype(float).ravel())
    if label is not None:
        datum.label = label
    return datum


def datum_to_array(datum: Any) -> Array:
    """The values of a `Datum`, (channels, height, width), uint8 or float.

    Raises:
        ValueError: it holds an encoded image, or not as many values as its shape says.
    """
    if datum.encoded:
        raise ValueError("the Datum holds an image file: open io.BytesIO(datum.data) with Pillow")
    shape = (datum.channels, datum.height, datum.width)
    if len(datum.data):
        return np.frombuffer(datum.data, np.uint8).reshape(shape)
    return np.array(datum.float_data).reshape(shape)
