"""`.caffemodel` files written: one layer at a time, so that Caffe loads them."""

from __future__ import annotations

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
_LAYER, _BLOBS = 100, 7  # NetParameter.layer, LayerParameter.blobs


def write_caffemodel(
    path: str | Path, net: NetDefinition, weights: Mapping[str, Sequence[npt.ArrayLike]]
) -> None:
    """Write a network and its blobs as a binary `.caffemodel` that Caffe loads.

    Args:
        path: the file to write; it appears whole or not at all.
        net: the network; binary files have no place for fields that the schema lacks.
        weights: Caffe layer name -> blobs in Caffe's layout.

    Raises:
        WeightsError: weights for a layer that the network does not have.
    """
    names = [layer.name for layer in net.layers]
    strangers = sorted(set(weights) - set(names))
    if strangers:
        raise WeightsError(f"weights for layers that the network does not have: {strangers}")
    with atomic_write(path) as file:
        file.write(_packed(net_message(replace(net, layers=()))))
        for layer in net.layers:
            body = _packed(layer_message(layer))
            blobs = [
                np.asarray(blob, dtype=_FLOAT, order="C") for blob in weights.get(layer.name, ())
            ]
            heads = [_blob_head(blob) for blob in blobs]
            sizes = [len(h) + blob.nbytes for h, blob in zip(heads, blobs, strict=True)]
            tags = [wire.header(_BLOBS, size) for size in sizes]
            file.write(wire.header(_LAYER, len(body) + sum(map(len, tags)) + sum(sizes)))
            file.write(body)
            for tag, blob_head, blob in zip(tags, heads, blobs, strict=True):
                file.write(tag + blob_head)
                file.write(blob.data)


def _packed(message: Any) -> bytes:
    packed: bytes = message.SerializeToString(deterministic=True)
    return packed


def _blob_head(blob: Array) -> bytes:
    """Everything of a BlobProto that stands before its numbers; a scalar has no shape."""
    numbers = wire.header(DATA, blob.nbytes)
    if not blob.ndim:  # as Caffe writes it; OpenCV refuses an empty shape
        return numbers
    shape = schema.new("BlobShape")
    shape.dim.extend(blob.shape)
    packed = _packed(shape)
    return wire.header(SHAPE, len(packed)) + packed + numbers
