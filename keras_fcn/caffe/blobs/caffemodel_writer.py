"""`.caffemodel` files written: one layer at a time, so that Caffe loads them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.blobs.blob_protos import DATA, SHAPE, Array
from keras_fcn.caffe.definition import NetDefinition
from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.io import wire
from keras_fcn.caffe.io.files import atomic_write
from keras_fcn.caffe.proto import schema
from keras_fcn.caffe.proto.definitions import layer_message, net_message

_FLOAT = np.dtype("<f4")
_LAYER, _BLOBS, _DIFF = 100, 7, 6  # NetParameter.layer, LayerParameter.blobs, BlobProto.diff


def write_caffemodel(
    path: str | Path,
    net: NetDefinition,
    weights: Mapping[str, Sequence[npt.ArrayLike]],
    diffs: Mapping[str, Sequence[npt.ArrayLike]] | None = None,
) -> None:
    """Write a network and its blobs as a binary `.caffemodel` that Caffe loads.

    Args:
        path: the file to write; it appears whole or not at all.
        net: the network; binary files have no place for fields that the schema lacks.
        weights: Caffe layer name -> blobs in Caffe's layout.
        diffs: the same for what Caffe calls `diff`, see `snapshot_diff` of its solver.

    Raises:
        WeightsError: weights for a layer that the network does not have.
    """
    names = [layer.name for layer in net.layers]
    strangers = sorted(set(weights) - set(names))
    if strangers:
        raise WeightsError(f"weights for layers that the network does not have: {strangers}")
    with atomic_write(path) as file:
        file.write(packed(net_message(replace(net, layers=()))))
        for layer in net.layers:
            body = packed(layer_message(layer))
            blobs = [_floats(blob) for blob in weights.get(layer.name, ())]
            beside = [_floats(blob) for blob in (diffs or {}).get(layer.name, ())]
            pairs = itertools.zip_longest(blobs, beside[: len(blobs)])
            parts = [blob_parts(blob, diff) for blob, diff in pairs]
            sizes = [sum(map(len, group)) for group in parts]
            tags = [wire.header(_BLOBS, size) for size in sizes]
            file.write(wire.header(_LAYER, len(body) + sum(map(len, tags)) + sum(sizes)))
            file.write(body)
            for tag, group in zip(tags, parts, strict=True):
                file.write(tag)
                for part in group:
                    file.write(part)


def blob_parts(blob: Array, diff: Array | None = None) -> list[bytes | memoryview]:
    """The bytes of a BlobProto: its head, and its numbers as they lie in memory.

    Args:
        blob: little-endian float32, contiguous.
        diff: what stands in the field `diff`, as large.
    """
    parts: list[bytes | memoryview] = [_blob_head(blob), _numbers(blob)]
    if diff is not None:
        parts += [wire.header(_DIFF, diff.nbytes), _numbers(diff)]
    return parts


def packed(message: Any) -> bytes:
    """A message's bytes, the same for equal messages."""
    found: bytes = message.SerializeToString(deterministic=True)
    return found


def _numbers(array: Array) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _floats(blob: npt.ArrayLike) -> Array:
    return np.asarray(blob, dtype=_FLOAT, order="C")


def _blob_head(blob: Array) -> bytes:
    """Everything of a BlobProto that stands before its numbers; a scalar has no shape."""
    numbers = wire.header(DATA, blob.nbytes)
    if not blob.ndim:  # as Caffe writes it; OpenCV refuses an empty shape
        return numbers
    shape = schema.new("BlobShape")
    shape.dim.extend(blob.shape)
    told = packed(shape)
    return wire.header(SHAPE, len(told)) + told + numbers
