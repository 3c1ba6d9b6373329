"""``.caffemodel`` files: blobs as views of the file, one layer at a time.

The file is memory-mapped and walked on the wire level, so a 550 MB network is
open in a millisecond and no array is copied until somebody asks for it. The
layers themselves (everything but the blobs) are parsed into a NetParameter.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from convert import schema, wire
from convert.errors import WeightsError
from convert.files import atomic_write, is_hdf5, map_file

Array = npt.NDArray[Any]

_FLOAT, _DOUBLE = np.dtype("<f4"), np.dtype("<f8")
_MAX_AXES = 32
_TEXT = re.compile(rb"[^\x00-\x08\x0e-\x1f]*")


class _Format(NamedTuple):
    """Field numbers of one generation of layer messages."""

    layer: int
    """In NetParameter."""
    blobs: int
    """In the layer message."""


_V2, _V1 = _Format(layer=100, blobs=7), _Format(layer=2, blobs=6)
_V0_LAYER, _V0_BLOBS = 1, 50

# BlobProto
_LEGACY_DIMS = (1, 2, 3, 4)
_DATA, _SHAPE, _DOUBLE_DATA = 5, 7, 8


@dataclass(frozen=True)
class StoredBlob:
    """A parameter blob that still lies in its file.

    Attributes:
        shape: Caffe's shape; legacy files give (num, channels, height, width).
        chunks: views of the file whose elements, joined, are the blob.
        legacy: whether the shape came from the four legacy dimensions.
    """

    shape: tuple[int, ...]
    chunks: tuple[Array, ...]
    legacy: bool = False

    def array(self) -> Array:
        """The blob as float32; a read-only view where the file allows it."""
        if len(self.chunks) == 1:
            flat = self.chunks[0]
        else:
            flat = np.concatenate(self.chunks) if self.chunks else np.empty(0, _FLOAT)
        with np.errstate(over="ignore"):  # a double may be too large, for Caffe as well
            return flat.astype(np.float32, copy=False).reshape(self.shape)


@dataclass(frozen=True)
class StoredLayer:
    """One layer of a weights file: its name and its blobs."""

    name: str
    blobs: tuple[StoredBlob, ...]


class CaffeModel(Mapping[str, "list[Array]"]):
    """A weights file: Caffe layer name -> blobs in Caffe's layout, read lazily.

    Only layers that have blobs are keys. Where a name occurs twice the last one
    counts, as when Caffe copies trained layers.

    Attributes:
        path: the file.
        net: NetParameter without the blobs, as stored (V0, V1 or current form).
        layers: name -> StoredLayer, for shapes without reading data.
    """

    def __init__(self, path: str, net: Any, layers: Sequence[StoredLayer]) -> None:
        self.path = path
        self.net = net
        self.layers = {layer.name: layer for layer in layers if layer.blobs}

    def __getitem__(self, name: str) -> list[Array]:
        return [blob.array() for blob in self.layers[name].blobs]

    def __contains__(self, name: object) -> bool:
        return name in self.layers

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)


def read_caffemodel(path: str | Path) -> CaffeModel:
    """Open a ``.caffemodel`` (current, V1 or V0 layers), or a ``.caffemodel.h5``.

    Raises:
        WeightsError: the file is damaged or is not a caffemodel; the message
            names the file and, where known, the layer.
    """
    if is_hdf5(path):
        from convert.caffe_hdf5 import read_caffe_hdf5

        return read_caffe_hdf5(path)
    buffer = memoryview(map_file(path))
    layers: list[StoredLayer] = []
    net = schema.new("NetParameter")
    try:
        _read_net(buffer, net, layers)
    except (WeightsError, DecodeError, UnicodeDecodeError) as error:
        if _TEXT.fullmatch(buffer[:512]):
            raise WeightsError(
                f"{path} is text, not a caffemodel; give the prototxt first, then the caffemodel"
            ) from error
        where = f"after layer {layers[-1].name!r}, " if layers else ""
        raise WeightsError(
            f"{path} is not a caffemodel, or is damaged or cut short ({where}{error}); "
            f"it has {len(buffer)} bytes"
        ) from error
    if not layers:
        raise WeightsError(f"{path} holds no layers; is it a caffemodel?")
    return CaffeModel(str(path), net, layers)


def _read_net(buffer: memoryview, net: Any, layers: list[StoredLayer]) -> None:
    targets = {_V2.layer: (_V2, net.layer), _V1.layer: (_V1, net.layers)}
    rest = bytearray()
    for field in wire.fields(buffer, 0, len(buffer)):
        if field.number not in targets or field.wire_type != wire.BYTES:
            rest += buffer[field.begin : field.stop]
            continue
        form, owner = targets[field.number]
        message = owner.add()
        head, blobs = _read_layer(buffer, field.start, field.stop, form.blobs)
        message.MergeFromString(head)
        if form is _V1 and message.HasField("layer"):
            head, blobs = _read_v0(buffer, field.start, field.stop)
            message.Clear()
            message.MergeFromString(head)
            message = message.layer
        name = _text(message.name)
        layers.append(StoredLayer(name, _stored(blobs, name)))
    net.MergeFromString(bytes(rest))


def _text(name: str | bytes) -> str:
    if isinstance(name, bytes):  # what protobuf gives for text that is not UTF-8
        raise WeightsError(f"the layer name {name!r} is not UTF-8")
    return name


def _read_layer(
    buffer: memoryview, start: int, stop: int, blobs_field: int
) -> tuple[bytes, list[tuple[memoryview, int, int]]]:
    """Split a layer message into its bytes without the blobs, and the blobs' places."""
    head = bytearray()
    blobs = []
    for field in wire.fields(buffer, start, stop):
        if field.number == blobs_field and field.wire_type == wire.BYTES:
            blobs.append((buffer, field.start, field.stop))
        else:
            head += buffer[field.begin : field.stop]
    return bytes(head), blobs


def _read_v0(
    buffer: memoryview, start: int, stop: int
) -> tuple[bytes, list[tuple[memoryview, int, int]]]:
    """A V0 connection: the blobs stand in the nested ``layer`` message."""
    head = bytearray()
    blobs = []
    for field in wire.fields(buffer, start, stop):
        if field.number == _V0_LAYER and field.wire_type == wire.BYTES:
            inner, found = _read_layer(buffer, field.start, field.stop, _V0_BLOBS)
            head += wire.header(_V0_LAYER, len(inner)) + inner
            blobs += found
        else:
            head += buffer[field.begin : field.stop]
    return bytes(head), blobs


def _stored(places: list[tuple[memoryview, int, int]], layer: str) -> tuple[StoredBlob, ...]:
    try:
        return tuple(read_blob(*place) for place in places)
    except WeightsError as error:
        raise WeightsError(f"layer {layer!r}: {error}") from error


def read_blob(buffer: memoryview, start: int, stop: int) -> StoredBlob:
    """View the BlobProto ``buffer[start:stop]``; ``diff`` is passed over."""
    legacy = dict.fromkeys(_LEGACY_DIMS, 0)
    has_legacy = False
    shape: tuple[int, ...] = ()
    single: list[Array] = []
    double: list[Array] = []
    arrays: dict[int, tuple[list[Array], np.dtype[Any], int]] = {
        _DATA: (single, _FLOAT, wire.FIXED32),
        _DOUBLE_DATA: (double, _DOUBLE, wire.FIXED64),
    }
    position = start
    while position < stop:
        field = wire.read_field(buffer, position, stop)
        position = field.stop
        if field.number in arrays:
            chunks, dtype, unpacked = arrays[field.number]
            if field.wire_type == wire.BYTES:
                count, rest = divmod(field.stop - field.start, dtype.itemsize)
                if rest:
                    raise WeightsError(f"{field.stop - field.start} bytes of {dtype} numbers")
                if count:
                    chunks.append(np.frombuffer(buffer, dtype, count, field.start))
            elif field.wire_type == unpacked:
                values, position = wire.unpacked_run(buffer, field, stop, dtype)
                chunks.append(values)
        elif field.number == _SHAPE:
            message = schema.new("BlobShape")
            message.MergeFromString(bytes(buffer[field.start : field.stop]))
            shape = tuple(message.dim)
        elif field.number in legacy:
            legacy[field.number] = field.value
            has_legacy = True
    chunks = double or single
    if has_legacy:
        shape = tuple(legacy.values())
    _check_count(shape, sum(len(chunk) for chunk in chunks))
    return StoredBlob(shape, tuple(chunks), has_legacy)


def _check_count(shape: tuple[int, ...], count: int) -> None:
    if len(shape) > _MAX_AXES or any(size < 0 for size in shape) or math.prod(shape) != count:
        raise WeightsError(f"a blob of shape {shape} comes with {count} values")


def read_binaryproto(path: str | Path) -> Array:
    """Read a single blob (``mean.binaryproto``), float32 in Caffe's axis order.

    Raises:
        WeightsError: the file is not a BlobProto.
    """
    buffer = memoryview(map_file(path))
    try:
        blob = read_blob(buffer, 0, len(buffer))
    except (WeightsError, DecodeError) as error:
        raise WeightsError(f"{path} is not a binaryproto blob: {error}") from error
    if not blob.chunks:
        raise WeightsError(f"{path} holds no blob data; is it a binaryproto?")
    return blob.array()


def write_caffemodel(
    path: str | Path, net: Any, weights: Mapping[str, Sequence[npt.ArrayLike]]
) -> None:
    """Write a network and its blobs as a binary ``.caffemodel`` that Caffe loads.

    Args:
        path: the file to write; it appears whole or not at all.
        net: NetParameter in the current form (``layer``), e.g. from
            :func:`convert.prototxt.read_net`; blobs in it are ignored.
        weights: Caffe layer name -> blobs in Caffe's layout.

    Raises:
        WeightsError: weights for a layer that the network does not have.
    """
    names = [layer.name for layer in net.layer]
    strangers = sorted(set(weights) - set(names))
    if strangers:
        raise WeightsError(f"weights for layers that the network does not have: {strangers}")
    head = schema.new("NetParameter")
    head.CopyFrom(net)
    head.ClearField("layer")
    with atomic_write(path) as file:
        file.write(head.SerializeToString(deterministic=True))
        for layer in net.layer:
            message = schema.new("LayerParameter")
            message.CopyFrom(layer)
            message.ClearField("blobs")
            body = message.SerializeToString(deterministic=True)
            blobs = [
                np.asarray(blob, dtype=_FLOAT, order="C") for blob in weights.get(layer.name, ())
            ]
            heads = [_blob_head(blob) for blob in blobs]
            sizes = [len(h) + blob.nbytes for h, blob in zip(heads, blobs, strict=True)]
            tags = [wire.header(_V2.blobs, size) for size in sizes]
            file.write(wire.header(_V2.layer, len(body) + sum(map(len, tags)) + sum(sizes)))
            file.write(body)
            for tag, blob_head, blob in zip(tags, heads, blobs, strict=True):
                file.write(tag + blob_head)
                file.write(blob.data)


def _blob_head(blob: Array) -> bytes:
    """Everything of a BlobProto that stands before its numbers."""
    shape = schema.new("BlobShape")
    shape.dim.extend(blob.shape)
    packed: bytes = shape.SerializeToString()
    return wire.header(_SHAPE, len(packed)) + packed + wire.header(_DATA, blob.nbytes)
