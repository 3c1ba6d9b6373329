"""Public functions over files that need a line or two of glue."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy.typing as npt

from keras_fcn.caffe.blobs import caffemodel as binary
from keras_fcn.caffe.blobs.caffemodel import Array, CaffeModel
from keras_fcn.caffe.blobs.opened import Weights
from keras_fcn.caffe.io.npy import is_archive
from keras_fcn.caffe.io.source import SourceFile, opened
from keras_fcn.caffe.text import prototxt as text

if TYPE_CHECKING:
    from keras_fcn.caffe.blobs.keras_hdf5 import WeightsFile

OpenWeights: TypeAlias = "CaffeModel | WeightsFile"
"""A weights file that is open, by Caffe's names and in its layout or by Keras'."""


@contextlib.contextmanager
def open_weights(
    weights: str | Path | SourceFile | OpenWeights,
) -> Iterator[OpenWeights]:
    """A weights file, opened and read once for all that is done with it in the block.

    Args:
        weights: a `.caffemodel`, also gzipped, or a `.caffemodel.h5`: a `CaffeModel`; any
            other HDF5 file, or an `.npz`: a `WeightsFile` of layers by name. Weights that are
            open already are given as they are, and stay open.

    Raises:
        WeightsError: the file is damaged, or holds no weights.
    """
    if isinstance(weights, Weights):
        yield weights
        return
    with opened(weights) as source, _read(source) as read:
        yield read


def _read(source: SourceFile) -> OpenWeights:
    if is_archive(source):
        from keras_fcn.caffe.blobs.arrays_file import ArraysFile

        return ArraysFile(source)
    if not source.is_hdf5:
        return binary.read_caffemodel(source)
    from keras_fcn.caffe.blobs.caffe_hdf5 import has_caffe_layout
    from keras_fcn.caffe.blobs.keras_hdf5 import WeightsFile
    from keras_fcn.caffe.io.hdf5_input import Hdf5File

    file = Hdf5File(source)
    if not has_caffe_layout(file):
        return WeightsFile(file)
    with file:
        return binary.caffe_hdf5_model(file)


def load_weights(
    caffemodel: str | Path, *, rename: Mapping[str, str] | None = None
) -> Mapping[str, list[Array]]:
    """The blobs of a `.caffemodel`: Caffe layer name -> arrays in Caffe's layout.

    Nothing is read until a layer is asked for; arrays are float32, read-only
    views of the file where the file allows it.

    Args:
        caffemodel: the file: `.caffemodel`, also gzipped, or `.caffemodel.h5`.
        rename: layer name in the file -> the name to give it.

    Raises:
        CaffeError: the file is damaged or is not a caffemodel, or lacks a layer to rename.
    """
    return binary.read_caffemodel(caffemodel, rename)


def write_caffemodel(
    path: str | Path, prototxt: str | Path, weights: Mapping[str, Sequence[npt.ArrayLike]]
) -> None:
    """Write a `.caffemodel` for a prototxt.

    Args:
        path: the file to write; it appears whole or not at all.
        prototxt: the network's definition.
        weights: Caffe layer name -> blobs in Caffe's layout (convolution OIHW,
            inner product (outputs, inputs) with inputs in C, H, W order).

    Raises:
        CaffeError: the prototxt is wrong, a layer is unknown, or `path` cannot
            be written.
    """
    binary.write_caffemodel(path, text.read_net(prototxt).definition, weights)
