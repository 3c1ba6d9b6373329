"""``.caffemodel`` files written: one layer at a time, so that Caffe loads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.blobs.blob_protos import DATA, SHAPE, Array
from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.io import wire
from keras_fcn.caffe.io.files import atomic_write
from keras_fcn.caffe.proto import schema
from keras_fcn.caffe.proto.carried import FIELD

_FLOAT = np.dtype("<f4")
_LAYER, _BLOBS = 100, 7  # NetParameter.layer, LayerParameter.blobs


def write_caffemodel(
    path: str | Path, net: Any, weights: Mapping[str, Sequence[npt.ArrayLike]]
) -> None:
    """Write a network and its blobs as a binary ``.caffemodel`` that Caffe loads.

    Args:
        path: the file to write; it appears whole or not at all.
        net: NetParameter in the current form (``layer``), e.g. from
            :func:`keras_fcn.caffe.proto.prototxt.read_net`; blobs in it are ignored.
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
            message.ClearField(FIELD)  # binary files have no place for it
            body = message.SerializeToString(deterministic=True)
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


def _blob_head(blob: Array) -> bytes:
    """Everything of a BlobProto that stands before its numbers; a scalar has no shape."""
    numbers = wire.header(DATA, blob.nbytes)
    if not blob.ndim:  # as Caffe writes it; OpenCV refuses an empty shape
        return numbers
    shape = schema.new("BlobShape")
    shape.dim.extend(blob.shape)
    packed: bytes = shape.SerializeToString()
    return wire.header(SHAPE, len(packed)) + packed + numbers
