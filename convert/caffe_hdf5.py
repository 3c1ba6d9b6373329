"""Weights that Caffe itself wrote as HDF5 (``.caffemodel.h5``).

A group ``data`` holds a group a layer, which holds its blobs as datasets ``0``, ``1``
and so on. Names with ``/`` become nested groups. Source: ``Net::ToHDF5`` in
``src/caffe/net.cpp`` of BVLC Caffe 1.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from convert import schema
from convert.caffemodel import CaffeModel, StoredBlob, StoredLayer
from convert.errors import WeightsError
from convert.files import is_hdf5

_ROOT = "data"


def is_caffe_hdf5(path: str | Path) -> bool:
    """Whether a file is HDF5 in Caffe's layout, and not in Keras'."""
    if not is_hdf5(path):
        return False
    try:
        with h5py.File(path, "r") as file:
            return isinstance(file.get(_ROOT), h5py.Group) and "layer_names" not in file.attrs
    except (OSError, RuntimeError, KeyError):  # damaged: whoever reads it says so
        return False


def read_caffe_hdf5(path: str | Path) -> CaffeModel:
    """Read a ``.caffemodel.h5``; it carries blobs only, no layers' parameters.

    Raises:
        WeightsError: the file is damaged, or has another layout.
    """
    try:
        with h5py.File(path, "r") as file:
            root = file.get(_ROOT)
            if not isinstance(root, h5py.Group):
                raise WeightsError(
                    f"{path} has no group 'data': it is not a .caffemodel.h5. If it is a Keras "
                    "weights file, load it with keras_fcn.load_weights"
                )
            layers = [_layer(name, group) for name, group in _groups("", root)]
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise WeightsError(f"cannot read {path} as a .caffemodel.h5: {error}") from error
    if not layers:
        raise WeightsError(f"{path} holds no layers")
    return CaffeModel(str(path), schema.new("NetParameter"), layers)


def _groups(name: str, group: h5py.Group) -> Iterator[tuple[str, h5py.Group]]:
    """Groups that hold blobs, with the layer's name."""
    if any(isinstance(member, h5py.Dataset) for member in group.values()):
        yield name, group
    for key, member in group.items():
        if isinstance(member, h5py.Group):
            yield from _groups(f"{name}/{key}" if name else key, member)


def _layer(name: str, group: h5py.Group) -> StoredLayer:
    blobs: list[StoredBlob] = []
    while isinstance(dataset := group.get(str(len(blobs))), h5py.Dataset):
        if dataset.is_virtual or dataset.external:
            raise WeightsError(f"{group.file.filename}: {name}/{len(blobs)} lies elsewhere")
        blobs.append(StoredBlob(dataset.shape, (np.ravel(dataset[()]),)))
    return StoredLayer(name, tuple(blobs))
