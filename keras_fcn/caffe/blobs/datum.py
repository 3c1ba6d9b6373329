"""`Datum`: an image, or a mask, with its label, as Caffe's databases hold it."""

from __future__ import annotations

from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from keras_fcn.caffe.blobs.blob_protos import Array
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.io.wire import BYTES, VARINT, fields, read_field
from keras_fcn.caffe.proto import schema
from keras_fcn.caffe.records import dataclass

_LABEL = 5  # the field's number


@dataclass(frozen=True)
class Datum:
    """The fields of a message.

    Attributes:
        channels: of the values, where they are raw.
        height: likewise.
        width: likewise.
        data: raw bytes, or the content of an image file where `encoded`.
        float_data: raw values, where `data` is empty.
        encoded: whether `data` is an image file.
        label: of the whole image; None where there is none.
    """

    channels: int
    height: int
    width: int
    data: bytes
    float_data: tuple[float, ...]
    encoded: bool
    label: int | None = None

    def values(self) -> Array:
        """The raw values, `(channels, height, width)`, uint8 or float32.

        Raises:
            CaffeError: there are not as many as the shape says, or some are not finite.
        """
        shape = (self.channels, self.height, self.width)
        if self.data:
            values: Array = np.frombuffer(self.data, np.uint8)
        else:
            values = np.array(self.float_data, np.float32)
        if min(shape) < 1 or values.size != shape[0] * shape[1] * shape[2]:
            raise CaffeError(
                f"a datum has channels x height x width values. Received: {values.size} values "
                f"for {shape[0]} x {shape[1]} x {shape[2]}"
            )
        if not np.isfinite(values).all():
            raise CaffeError("the datum has values that are NaN or infinite")
        return values.reshape(shape)


def read_datum(content: bytes) -> Datum:
    """Read a serialized `Datum`.

    Raises:
        CaffeError: it is none.
    """
    message = schema.new("Datum")
    try:
        message.ParseFromString(content)
    except DecodeError as error:
        raise CaffeError(f"not a Datum message: {error}") from error
    if not message.channels and _is_annotated(content):
        raise CaffeError(
            "an AnnotatedDatum of SSD, whose annotations are boxes, which the layer AnnotatedData "
            "reads; what is needed is a database of Datum, of masks or with a label each"
        )
    return datum_of(message)


def datum_of(message: Any) -> Datum:
    """The fields of a `Datum` message."""
    return Datum(
        message.channels,
        message.height,
        message.width,
        message.data,
        tuple(message.float_data),
        message.encoded,
        message.label if message.HasField("label") else None,
    )


def read_label(content: memoryview) -> int | None:
    """The label of a serialized `Datum`; None where it has none before its other values.

    Nothing is copied, and of large values nothing is read.

    Raises:
        CaffeError: it is no message.
    """
    for field in fields(content, 0, len(content)):
        if field.number == _LABEL and field.wire_type == VARINT:
            return field.value - (1 << 64) if field.value >> 63 else field.value
        if field.number > _LABEL:
            break
    return None


def _is_annotated(content: bytes) -> bool:
    """Whether a message is SSD's AnnotatedDatum, whose first field is a datum.

    Source: `AnnotatedDatum` in caffe.proto of weiliu89/caffe, branch ssd.
    """
    try:
        first = read_field(memoryview(content), 0, len(content))
        datum = schema.new("Datum")
        datum.ParseFromString(content[first.start : first.stop])
    except (CaffeError, DecodeError):
        return False
    return (first.number, first.wire_type) == (1, BYTES) and bool(datum.data or datum.float_data)
