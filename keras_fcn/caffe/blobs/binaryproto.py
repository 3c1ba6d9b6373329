"""A single blob in a file of its own, such as `mean.binaryproto`."""

from __future__ import annotations

from pathlib import Path

from google.protobuf.message import DecodeError

from keras_fcn.caffe.blobs.blob_protos import Array, read_blob
from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.io.source import map_file


def read_binaryproto(path: str | Path) -> Array:
    """Read a single blob (`mean.binaryproto`), float32 in Caffe's axis order.

    Raises:
        WeightsError: the file is not a BlobProto.
    """
    buffer = map_file(path)
    try:
        blob = read_blob(buffer, 0, len(buffer))
    except (WeightsError, DecodeError) as error:
        raise WeightsError(f"{path} is not a binaryproto blob: {error}") from error
    if not blob.chunks:
        raise WeightsError(f"{path} holds no blob data; is it a binaryproto?")
    return blob.array()


def is_binaryproto(buffer: memoryview) -> bool:
    """Whether a file's content is a blob that is not empty."""
    try:
        return bool(read_blob(buffer, 0, len(buffer)).chunks)
    except (WeightsError, DecodeError):
        return False
