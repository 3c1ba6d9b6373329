"""`.solverstate` files written as Caffe writes them, in protobuf or HDF5 form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.blobs.caffemodel_writer import blob_parts, packed
from keras_fcn.caffe.io import wire
from keras_fcn.caffe.io.files import atomic_path, atomic_write
from keras_fcn.caffe.proto import schema

__all__ = ["write_solverstate"]

_HISTORY = 3  # SolverState.history


def write_solverstate(
    path: str | Path,
    iteration: int,
    learned_net: str,
    current_step: int,
    history: Sequence[npt.ArrayLike],
) -> None:
    """Write where a solver goes on, as HDF5 where the name ends in `.h5`.

    Args:
        path: the file to write; it appears whole or not at all.
        iteration: updates that were made.
        learned_net: the `.caffemodel` that was written beside it.
        current_step: steps of the learning rate's schedule that were made.
        history: arrays in Caffe's layout, in the order of the network's parameters.

    Raises:
        CaffeError: the file cannot be written.
    """
    blobs = [np.asarray(array, "<f4", order="C") for array in history]
    if str(path).endswith(".h5"):
        _write_hdf5(path, iteration, learned_net, current_step, blobs)
        return
    head = schema.new("SolverState")
    head.iter, head.learned_net = iteration, learned_net
    tail = schema.new("SolverState")
    tail.current_step = current_step
    with atomic_write(path) as file:
        file.write(packed(head))
        for blob in blobs:
            parts = blob_parts(blob)
            file.write(wire.header(_HISTORY, sum(map(len, parts))))
            for part in parts:
                file.write(part)
        file.write(packed(tail))


def _write_hdf5(
    path: str | Path,
    iteration: int,
    learned_net: str,
    current_step: int,
    blobs: Sequence[npt.NDArray[np.float32]],
) -> None:
    import h5py

    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file["iter"] = np.array([iteration], np.int32)
        _write_text(file, "learned_net", learned_net.encode())
        file["current_step"] = np.array([current_step], np.int32)
        group = file.create_group("history")
        for index, blob in enumerate(blobs):
            group.create_dataset(str(index), data=blob)


def _write_text(file: Any, name: str, text: bytes) -> None:
    """A string that ends in a zero byte, without which Caffe reads on behind it."""
    import h5py

    kind = h5py.h5t.C_S1.copy()
    kind.set_size(len(text) + 1)
    kind.set_strpad(h5py.h5t.STR_NULLTERM)
    space = h5py.h5s.create(h5py.h5s.SCALAR)
    dataset = h5py.h5d.create(file.id, name.encode(), kind, space)
    dataset.write(space, space, np.array(text, f"S{len(text) + 1}"), kind)
