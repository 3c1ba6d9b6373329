"""ONNX' protobuf messages as lists of bytes, so that weights are written without a copy.

Field numbers: `onnx.proto` of github.com/onnx/onnx.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.io import wire

Array = npt.NDArray[Any]
Chunks = list[bytes | memoryview]
"""A message's bytes in order; memoryviews are those of arrays."""

DATA_TYPES: Mapping[str, int] = {
    "float32": 1,
    "uint8": 2,
    "int8": 3,
    "int32": 6,
    "int64": 7,
    "bool": 9,
    "float16": 10,
    "float64": 11,
}
_FLOAT, _INT, _STRING, _TENSOR, _GRAPH, _FLOATS, _INTS = 1, 2, 3, 4, 5, 6, 7  # AttributeProto.type
_EXTERNAL = 1  # TensorProto.data_location


class Subgraph(Chunks):
    """A GraphProto that is an attribute of a node."""


def size(chunks: Chunks) -> int:
    """Bytes of a message."""
    return sum(len(chunk) for chunk in chunks)


def nested(number: int, chunks: Chunks) -> Chunks:
    """A message as a field of another one."""
    return [wire.header(number, size(chunks)), *chunks]


def text(number: int, value: str) -> Chunks:
    """A field of text."""
    encoded = value.encode("utf-8", "surrogateescape")
    return [wire.header(number, len(encoded)) + encoded]


def integer(number: int, value: int) -> Chunks:
    """A field of a whole number."""
    return [wire.write_varint(number << 3 | wire.VARINT) + wire.write_varint(value % (1 << 64))]


def _joined(parts: Iterable[Chunks]) -> Chunks:
    return [chunk for part in parts for chunk in part]


def tensor(name: str, array: Array, place: tuple[str, int] | None = None) -> Chunks:
    """A TensorProto.

    Args:
        name: the tensor's.
        array: its numbers, in C order.
        place: the name of another file that holds them, and the byte where they begin.
    """
    head = _joined(integer(1, length) for length in array.shape)
    head += integer(2, DATA_TYPES[array.dtype.name]) + text(8, name)
    if place is None:
        data = array.reshape(-1).view(np.uint8).data if array.size else memoryview(b"")
        return [*head, wire.header(9, array.nbytes), data]
    file, offset = place
    told = {"location": file, "offset": str(offset), "length": str(array.nbytes)}
    return [*head, *entries(13, told), *integer(14, _EXTERNAL)]


def entries(number: int, pairs: Mapping[str, str]) -> Chunks:
    """A repeated field of StringStringEntryProto."""
    return _joined(nested(number, text(1, key) + text(2, value)) for key, value in pairs.items())


def node(
    op_type: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    name: str,
    attributes: Mapping[str, Any],
    domain: str = "",
) -> Chunks:
    """A NodeProto; an attribute is a number, a text, numbers, an array, or a `Subgraph`."""
    return [
        *_joined(text(1, x) for x in inputs),
        *_joined(text(2, x) for x in outputs),
        *text(3, name),
        *text(4, op_type),
        *_joined(nested(5, _attribute(key, value)) for key, value in attributes.items()),
        *(text(7, domain) if domain else ()),
    ]


def _attribute(name: str, value: Any) -> Chunks:
    kind, field = _value(value)
    return [*text(1, name), *field, *integer(20, kind)]


def _value(value: Any) -> tuple[int, Chunks]:
    if isinstance(value, float):
        return _FLOAT, [wire.write_varint(2 << 3 | wire.FIXED32) + struct.pack("<f", value)]
    if isinstance(value, int):
        return _INT, integer(3, value)
    if isinstance(value, str):
        return _STRING, text(4, value)
    if isinstance(value, np.ndarray):
        return _TENSOR, nested(5, tensor("", value))
    if isinstance(value, Subgraph):
        return _GRAPH, nested(6, value)
    if value and isinstance(value[0], float):
        packed = struct.pack(f"<{len(value)}f", *value)
        return _FLOATS, [wire.header(7, len(packed)) + packed]
    return _INTS, _joined(integer(8, x) for x in value)


def value_info(name: str, dtype: str, shape: Sequence[int | str | None] | None) -> Chunks:
    """A ValueInfoProto; a size is a number, a name, or not known, and so may all of them be."""
    sizes = []
    for length in shape or ():
        field: Chunks = []
        if length is not None:
            field = integer(1, length) if isinstance(length, int) else text(2, length)
        sizes.append(nested(1, field))
    kind = integer(1, DATA_TYPES[dtype])
    if shape is not None:
        kind += nested(2, _joined(sizes))
    return [*text(1, name), *nested(2, nested(1, kind))]


def graph(
    name: str,
    nodes: Iterable[Chunks],
    initializers: Iterable[Chunks],
    inputs: Iterable[Chunks],
    outputs: Iterable[Chunks],
) -> Chunks:
    """A GraphProto."""
    fields = ((1, nodes), (5, initializers), (11, inputs), (12, outputs))
    return text(2, name) + [
        chunk
        for number, messages in fields
        for message in messages
        for chunk in nested(number, message)
    ]


def model(
    graph: Chunks,
    opset: int,
    ir_version: int,
    producer: str,
    metadata: Mapping[str, str],
    version: str,
    domains: Iterable[str] = (),
) -> Chunks:
    """A ModelProto; of other domains than ONNX' it has version 1."""
    return [
        *integer(1, ir_version),
        *text(2, producer),
        *text(3, version),
        *nested(7, graph),
        *nested(8, text(1, "") + integer(2, opset)),
        *_joined(nested(8, text(1, domain) + integer(2, 1)) for domain in domains),
        *entries(14, metadata),
    ]
