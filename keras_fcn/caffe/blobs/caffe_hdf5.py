"""Weights that Caffe itself wrote as HDF5 (``.caffemodel.h5``).

A group ``data`` holds a group a layer, which holds its blobs as datasets ``0``, ``1``
and so on; a shared blob stands at its owner only, so that numbers may be left out. Names
with ``/`` become nested groups. Source: ``Net::ToHDF5`` in
``src/caffe/net.cpp`` of BVLC Caffe 1.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from keras_fcn.caffe.blobs.blob_protos import ABSENT
from keras_fcn.caffe.blobs.caffemodel import CaffeModel, StoredBlob, StoredLayer
from keras_fcn.caffe.blobs.solverstate import says_solverstate
from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.io import hdf5_input
from keras_fcn.caffe.io.files import is_hdf5
from keras_fcn.caffe.proto import schema

_ROOT = "data"
_NUMBERS = frozenset(map(str, range(1000)))


def is_caffe_hdf5(path: str | Path) -> bool:
    """Whether a file is HDF5 in Caffe's layout, and not in Keras'."""
    if not is_hdf5(path):
        return False
    try:
        with hdf5_input.open_file(path) as file:
            root = hdf5_input.member(file, _ROOT)
            return isinstance(root, h5py.Group) and "layer_names" not in file.attrs
    except WeightsError:  # damaged: whoever reads it says so
        return False


def read_caffe_hdf5(path: str | Path) -> CaffeModel:
    """Read a ``.caffemodel.h5``; it carries blobs only, no layers' parameters.

    Raises:
        WeightsError: the file is damaged, or has another layout.
    """
    with hdf5_input.open_file(path) as file:
        root = hdf5_input.member(file, _ROOT)
        if not isinstance(root, h5py.Group):
            if hdf5_input.member(file, "history") is not None:
                raise WeightsError(f"{path} is {says_solverstate('')}")
            raise WeightsError(
                f"{path} has no group 'data': it is not a .caffemodel.h5. If it is a Keras "
                "weights file, load it with keras_fcn.load_weights"
            )
        found = list(_groups(root))
        sizes = [hdf5_input.stored_bytes(blob) for _, blobs in found for blob in blobs.values()]
        hdf5_input.check_total(file, sum(sizes))
        layers = [_layer(name, blobs) for name, blobs in found]
    if not layers:
        raise WeightsError(f"{path} holds no layers")
    return CaffeModel(str(path), schema.new("NetParameter"), layers)


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
    arrays = {number: hdf5_input.numbers(blob) for number, blob in blobs.items()}
    found = {number: StoredBlob(a.shape, (np.ravel(a),)) for number, a in arrays.items()}
    return StoredLayer(name, tuple(found.get(n, ABSENT) for n in range(max(found) + 1)))
