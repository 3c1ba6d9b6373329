"""The layers of a `.caffemodel`, walked on the wire level: current, V1 and V0 forms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from keras_fcn.caffe import limits
from keras_fcn.caffe.blobs.blob_protos import StoredBlob, read_blob
from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.io import wire
from keras_fcn.caffe.proto import schema
from keras_fcn.caffe.records import dataclass

_NAMES = ("name", "type", "bottom", "top")


class _Format(NamedTuple):
    """Field numbers of one generation of layer messages."""

    layer: int
    """In NetParameter."""
    blobs: int
    """In the layer message."""
    inner: int | None
    """In the layer message too: the V0 layer, whose connection it then is."""


_V2, _V1 = _Format(100, 7, None), _Format(2, 6, 1)
_V0_BLOBS = 50

Place = tuple[memoryview, int, int]
"""Location of a blob's message: the file, its start and stop."""


@dataclass(frozen=True)
class StoredLayer:
    """One layer of a weights file: its name and its blobs."""

    name: str
    blobs: tuple[StoredBlob, ...]


def read_layers(buffer: memoryview, net: Any, layers: list[StoredLayer]) -> tuple[str, ...]:
    """Read a NetParameter but for its blobs, and the places of these.

    Args:
        buffer: the file.
        net: takes the NetParameter, as far as it is read.
        layers: takes the layers, as far as they are read.

    Returns:
        Notes on fields that were passed over, one line for each kind.

    Raises:
        WeightsError: a message is damaged, or a blob contradicts itself.
        DecodeError: a message is damaged.
    """
    targets = {_V2.layer: (_V2, net.layer), _V1.layer: (_V1, net.layers)}
    rest = bytearray()
    foreign: dict[str, list[str]] = {}
    heads = found = 0
    for field in wire.fields(buffer, 0, len(buffer)):
        if field.number not in targets or field.wire_type != wire.BYTES:
            rest += buffer[field.begin : field.stop]
            continue
        form, owner = targets[field.number]
        message = owner.add()
        head, blobs = _read_layer(buffer, field.start, field.stop, *form[1:])
        heads += len(head)
        found += len(blobs)
        _check_amounts(heads, len(layers) + 1, found)
        passed_over = _merge(message, head)
        if is_v0_holder(message):
            _decode_texts(message)
            message = message.layer
        _decode_texts(message)
        layers.append(StoredLayer(message.name, _stored(blobs, message.name)))
        for name in passed_over:
            foreign.setdefault(name, []).append(message.name)
    _check_amounts(heads + len(rest), len(layers), found)
    net.MergeFromString(bytes(rest))
    _decode_texts(net)
    return tuple(_notes(foreign))


def _merge(message: Any, head: bytes) -> list[str]:
    """Parse a layer but for parameters that are a fork's, whose number is another's here.

    Returns:
        The names that the parameters passed over have here.
    """
    try:
        message.MergeFromString(head)
    except DecodeError:
        message.Clear()
    else:
        return []
    buffer = memoryview(head)
    rest, passed_over = bytearray(), []
    for field in wire.fields(buffer, 0, len(buffer)):
        known = message.DESCRIPTOR.fields_by_number.get(field.number)
        if known is not None and not _parses(known, buffer[field.start : field.stop]):
            passed_over.append(known.name)
        else:
            rest += buffer[field.begin : field.stop]
    message.MergeFromString(bytes(rest))
    return passed_over


def _parses(field: Any, content: memoryview) -> bool:
    """Whether the content of a layer's field can be its message, if that is of parameters."""
    if not field.name.endswith("_param"):
        return True
    try:
        schema.new(field.message_type.name).MergeFromString(content.tobytes())
    except DecodeError:
        return False
    return True


def _notes(foreign: dict[str, list[str]]) -> Iterator[str]:
    for field, (first, *others) in foreign.items():
        more = f" and {len(others)} more" if others else ""
        yield (
            f"layer {first!r}{more}: what stands in the place of {field!r} is something else, of "
            "a fork of Caffe; it is passed over"
        )


def _check_amounts(head_bytes: int, layers: int, blobs: int) -> None:
    """Refuse what takes far more memory as objects than as bytes."""
    for count, most, what in (
        (head_bytes, limits.MAX_HEAD_BYTES, "bytes beside the blobs"),
        (layers, limits.MAX_LAYERS, "layers"),
        (blobs, limits.MAX_BLOBS, "blobs"),
    ):
        if count > most:
            raise WeightsError(f"more than {most} {what}")


def is_v0_holder(message: Any) -> bool:
    """Whether a layer message is a V0 connection, whose layer stands inside it."""
    return bool(message.DESCRIPTOR.name == "V1LayerParameter" and message.HasField("layer"))


def _decode_texts(message: Any) -> None:
    """Texts in another encoding, which protobuf gives as bytes, as a prototxt's are read."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if field.is_repeated else (value,):
                _decode_texts(inner)
        elif field.cpp_type == field.CPPTYPE_STRING and field.is_repeated:
            for index, text in enumerate(value):
                if isinstance(text, bytes):
                    value[index] = text.decode("latin-1")
        elif isinstance(value, bytes):
            setattr(message, field.name, value.decode("latin-1"))


def _read_layer(
    buffer: memoryview, start: int, stop: int, blobs_field: int, inner_field: int | None = None
) -> tuple[bytes, list[Place]]:
    """Split a layer message into its bytes without the blobs, and the blobs' places.

    Args:
        buffer: the file.
        start: where the message begins.
        stop: where it ends.
        blobs_field: the number of its blobs.
        inner_field: the number of the V0 layer in it; its blobs are the layer's then.
    """
    head = bytearray()
    blobs: list[Place] = []
    inner_blobs: list[Place] | None = None
    for field in wire.fields(buffer, start, stop):
        if field.wire_type == wire.BYTES and field.number == blobs_field:
            blobs.append((buffer, field.start, field.stop))
        elif field.wire_type == wire.BYTES and field.number == inner_field:
            inner, found = _read_layer(buffer, field.start, field.stop, _V0_BLOBS)
            head += wire.header(field.number, len(inner)) + inner
            inner_blobs = [*(inner_blobs or ()), *found]
        else:
            head += buffer[field.begin : field.stop]
    return bytes(head), blobs if inner_blobs is None else inner_blobs


def _stored(places: list[Place], layer: str) -> tuple[StoredBlob, ...]:
    try:
        return tuple(read_blob(*place) for place in places)
    except WeightsError as error:
        raise WeightsError(f"layer {layer!r}: {error}") from error
