"""Weights that Caffe itself wrote as HDF5 (`.caffemodel.h5`).

A group `data` holds a group a layer, which holds its blobs as datasets `0`, `1`
and so on; a shared blob stands at its owner only, so that numbers may be left out. Names
with `/` become nested groups. Source: `Net::ToHDF5` in
`src/caffe/net.cpp` of BVLC Caffe 1.0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np

from keras_fcn.caffe.blobs.blob_protos import ABSENT, Array, StoredBlob
from keras_fcn.caffe.blobs.caffemodel_layers import StoredLayer
from keras_fcn.caffe.blobs.solverstate import says_solverstate
from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.io import hdf5_input
from keras_fcn.caffe.io.files import atomic_path
from keras_fcn.caffe.io.hdf5_input import Hdf5File

_ROOT = "data"
_NUMBERS = frozenset(map(str, range(1000)))


def has_caffe_layout(file: Hdf5File) -> bool:
    """Whether an HDF5 file is in Caffe's layout, and not in Keras'."""
    try:
        with hdf5_input.reading(file.path):
            return isinstance(file.member(_ROOT), h5py.Group) and (
                "layer_names" not in file.root.attrs
            )
    except WeightsError:  # damaged: whoever reads it says so
        return False


def read_layers(file: Hdf5File) -> list[StoredLayer]:
    """Read the layers of a `.caffemodel.h5`; it carries blobs only, no layers' parameters.

    Raises:
        WeightsError: the file is damaged, or has another layout.
    """
    path = file.path
    with hdf5_input.reading(path):
        root = file.member(_ROOT)
        if not isinstance(root, h5py.Group):
            if file.member("history") is not None:
                raise WeightsError(f"{path} is {says_solverstate('')}")
            raise WeightsError(
                f"{path} has no group 'data': it is not a .caffemodel.h5. If it is a Keras "
                "weights file, load it with keras_fcn.load_weights"
            )
        found = list(_groups(root))
        sizes = [hdf5_input.stored_bytes(blob) for _, blobs in found for blob in blobs.values()]
        hdf5_input.check_total(file.root, sum(sizes))
        layers = [_layer(name, blobs) for name, blobs in found]
    if not layers:
        raise WeightsError(f"{path} holds no layers")
    return layers


def write_layers(path: str | Path, layers: Mapping[str, Mapping[int, Array]]) -> None:
    """Write a `.caffemodel.h5` as Caffe does.

    Args:
        path: the file; it appears whole or not at all.
        layers: layer name -> number of a blob -> blob; those that another layer owns are
            left out.
    """
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        root = file.create_group(_ROOT)
        for name, blobs in layers.items():
            group = root.create_group(name)
            for number, blob in blobs.items():
                group.create_dataset(str(number), data=np.asarray(blob, np.float32))


def _groups(root: h5py.Group) -> Iterator[tuple[str, dict[int, h5py.Dataset]]]:
    """Layer names and their blobs; each group once, however often it is linked."""
    seen: set[int] = set()
    waiting = [("", root)]
    while waiting:
        name, group = waiting.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            continue
        seen.add(address)
        members = {key: hdf5_input.member(group, key) for key in sorted(group, reverse=True)}
        blobs = {
            int(key): blob
            for key, blob in members.items()
            if key in _NUMBERS and isinstance(blob, h5py.Dataset)
        }
        if blobs:
            yield name, blobs
        for key, inner in members.items():
            if isinstance(inner, h5py.Group):
                waiting.append((f"{name}/{key}" if name else key, inner))


def _layer(name: str, blobs: dict[int, h5py.Dataset]) -> StoredLayer:
    arrays = {number: hdf5_input.values(blob) for number, blob in blobs.items()}
    found = {number: StoredBlob(a.shape, (np.ravel(a),)) for number, a in arrays.items()}
    return StoredLayer(name, tuple(found.get(n, ABSENT) for n in range(max(found) + 1)))
