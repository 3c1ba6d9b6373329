"""Caffe's weight files as another program would write them: by protobuf, in any old form.

Independent of the package's own wire code. Messages can be put together from pieces:
what follows another serialized message of the same kind is merged into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from keras_fcn.caffe.proto import schema

_Field = descriptor_pb2.FieldDescriptorProto

# Messages that hold others as bytes, so that anything can be put into them.
_ENVELOPES = {
    "Net": {"layers": 2, "layer": 100},
    "V2": {"blobs": 7},
    "V1": {"layer": 1, "blobs": 6},
    "V0": {"blobs": 50},
    "Raw": {"data": 12, "diff": 13},
    "SolverState": {"history": 3},
}
_RAW_TYPES = {"f8": 0, "f4": 1, "f2": 2, "i4": 3, "u4": 4}


class Generation(NamedTuple):
    """How the layer messages of one time are called."""

    message: str
    envelope: str
    net_field: str


V2 = Generation("LayerParameter", "V2", "layer")
V1 = Generation("V1LayerParameter", "V1", "layers")
V0 = Generation("V0LayerParameter", "V0", "layers")


@cache
def _envelopes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="envelopes.proto", package="e", syntax="proto2")
    for name, fields in _ENVELOPES.items():
        message = file.message_type.add(name=name)
        for field, number in fields.items():
            message.field.add(
                name=field, number=number, label=_Field.LABEL_REPEATED, type=_Field.TYPE_BYTES
            )
    return _messages(file)


@cache
def _unpacked() -> dict[str, Any]:
    """Caffe's messages with a tag before each number of an array."""
    file = descriptor_pb2.FileDescriptorProto()
    schema.new("NetParameter").DESCRIPTOR.file.CopyToProto(file)
    for message in file.message_type:
        for field in message.field:
            field.ClearField("options")
    return _messages(file)


def _messages(file: Any) -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    described = pool.FindFileByName(file.name).message_types_by_name
    return {name: message_factory.GetMessageClass(d) for name, d in described.items()}


def text(message_name: str, content: str) -> Any:
    """A message from protobuf text, read by protobuf."""
    return text_format.Parse(content, schema.new(message_name))


def numbers(
    array: np.ndarray, *, packed: bool = True, double: bool = False, diff: bool = False
) -> bytes:
    """The numbers of a BlobProto, without its shape."""
    message = schema.new("BlobProto") if packed else _unpacked()["BlobProto"]()
    field = ("double_" if double else "") + ("diff" if diff else "data")
    getattr(message, field).extend(np.asarray(array).ravel().tolist())
    return message.SerializeToString()


def raw(array: np.ndarray, kind: str, *, diff: bool = False) -> bytes:
    """The numbers of a BlobProto as NVIDIA's Caffe writes them: ``raw_data`` and its type."""
    data = np.asarray(array).astype(f"<{kind}").tobytes()
    type_of = bytes([(11 if diff else 10) << 3, _RAW_TYPES[kind]])
    name = "diff" if diff else "data"
    return type_of + _envelopes()["Raw"](**{name: [data]}).SerializeToString()


def solverstate(head: str, history: Sequence[bytes]) -> bytes:
    """A SolverState from the text of its fields and its serialized blobs."""
    start = text("SolverState", head).SerializeToString()
    return start + _envelopes()["SolverState"](history=history).SerializeToString()


def dims(shape: Sequence[int], *, legacy: bool = False) -> bytes:
    """The shape of a BlobProto, without its numbers; legacy: num, channels, height, width."""
    message = schema.new("BlobProto")
    if legacy:
        sizes = (*(1,) * (4 - len(shape)), *shape)
        message.num, message.channels, message.height, message.width = sizes
    else:
        message.shape.dim.extend(shape)
    return message.SerializeToString()


def blob(array: np.ndarray, *, legacy: bool = False, **form: bool) -> bytes:
    """A BlobProto; see :func:`numbers`."""
    array = np.asarray(array)
    return dims(array.shape, legacy=legacy) + numbers(array, **form)


def layer(head: str, blobs: Sequence[bytes], generation: Generation = V2) -> bytes:
    """A layer message from the text of its fields and its serialized blobs."""
    start = text(generation.message, head).SerializeToString()
    return start + _envelopes()[generation.envelope](blobs=blobs).SerializeToString()


def connection(head: str, inner: bytes) -> bytes:
    """A V0 connection: the V1 message around a V0 layer."""
    start = text("V1LayerParameter", head).SerializeToString()
    return start + _envelopes()["V1"](layer=[inner]).SerializeToString()


def net(head: str, layers: Sequence[bytes], generation: Generation = V2) -> bytes:
    """A NetParameter."""
    start = text("NetParameter", head).SerializeToString()
    return start + _envelopes()["Net"](**{generation.net_field: layers}).SerializeToString()
