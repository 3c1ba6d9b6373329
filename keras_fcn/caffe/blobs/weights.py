"""Public functions over files that need a line or two of glue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy.typing as npt

from keras_fcn.caffe.blobs import caffemodel as binary
from keras_fcn.caffe.blobs.caffemodel import Array
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.proto import prototxt as text
from keras_fcn.caffe.proto.upgrade import upgrade


def load_weights(
    caffemodel: str | Path, *, rename: Mapping[str, str] | None = None
) -> Mapping[str, list[Array]]:
    """The blobs of a ``.caffemodel``: Caffe layer name -> arrays in Caffe's layout.

    Nothing is read until a layer is asked for; arrays are float32, read-only
    views of the file where the file allows it.

    Args:
        caffemodel: the file: ``.caffemodel``, also gzipped, or ``.caffemodel.h5``.
        rename: layer name in the file -> the name to give it.

    Raises:
        CaffeError: the file is damaged or is not a caffemodel, or lacks a layer to rename.
    """
    return binary.read_caffemodel(caffemodel, rename)


def write_caffemodel(
    path: str | Path, prototxt: str | Path, weights: Mapping[str, Sequence[npt.ArrayLike]]
) -> None:
    """Write a ``.caffemodel`` for a prototxt.

    Args:
        path: the file to write; it appears whole or not at all.
        prototxt: the network's definition.
        weights: Caffe layer name -> blobs in Caffe's layout (convolution OIHW,
            inner product (outputs, inputs) with inputs in C, H, W order).

    Raises:
        CaffeError: the prototxt is wrong, a layer is unknown, or ``path`` cannot
            be written.
    """
    try:
        net = upgrade(text.read_net(prototxt).message)
    except NetworkError as error:
        raise NetworkError(f"{prototxt}: {error}") from error
    binary.write_caffemodel(path, net, weights)
