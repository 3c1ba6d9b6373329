"""Snapshots of a solver: Caffe's two files, and beside them what these have no place for."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from filecmp import cmp
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import keras
import numpy as np

from keras_fcn.caffe.blobs.caffe_hdf5 import write_layers
from keras_fcn.caffe.blobs.caffemodel import CaffeModel
from keras_fcn.caffe.blobs.caffemodel_writer import write_caffemodel
from keras_fcn.caffe.blobs.solverstate import SolverState, load_solverstate
from keras_fcn.caffe.blobs.solverstate_writer import write_solverstate
from keras_fcn.caffe.blobs.weights import open_weights
from keras_fcn.caffe.errors import CaffeError, WeightsError
from keras_fcn.caffe.io.files import atomic_write
from keras_fcn.caffe.layers.base import Array
from keras_fcn.caffe.names import keras_name
from keras_fcn.caffe.net.fitting import fit_weights
from keras_fcn.caffe.net.sharing import shared_places
from keras_fcn.caffe.net.splits import as_written
from keras_fcn.core.weights import load_weights
from keras_fcn.published.cache import opened_weights
from keras_fcn.solver.files import Files, beside
from keras_fcn.solver.nets import RunNet
from keras_fcn.solver.updates import Step

__all__ = [
    "copy_weights",
    "fitted_weights",
    "read_place",
    "read_snapshot",
    "restore_states",
    "write_snapshot",
]

_NOTES = "notes"


def write_weights(
    path: Path, net: RunNet, diffs: Mapping[str, Sequence[Array]] | None = None
) -> None:
    """Write a net's layers and blobs as Caffe does, as HDF5 where the name ends in `.h5`."""
    blobs = net.params.stored()
    written = as_written(net.network)
    if path.suffix != ".h5":
        write_caffemodel(path, written, blobs, diffs)
        return
    shared = shared_places(net.network)
    owned = {
        layer.name: {
            index: blob
            for index, blob in enumerate(blobs.get(layer.name, ()))
            if shared.get((layer.name, index), (layer.name, index)) == (layer.name, index)
        }
        for layer in written.layers
    }
    write_layers(path, owned)


def write_snapshot(
    files: Files,
    net: RunNet,
    step: Step,
    current_step: int,
    notes: Mapping[str, Any],
    diffs: Mapping[str, Sequence[Array]] | None = None,
) -> Path:
    """Write a snapshot; the state, which tells that it is whole, comes last.

    Args:
        files: names of the files.
        net: the net that is trained.
        step: its history.
        current_step: steps of the rate's schedule made.
        notes: the places in the data and the like, as JSON knows them.
        diffs: what was taken off the parameters last, where it is written too.

    Returns:
        The state's path.

    Raises:
        CaffeError: a file cannot be written.
    """
    learned, weights, state, place = files.snapshot(step.iteration)
    write_weights(weights, net, diffs)
    history = step.history()
    arrays: dict[str, Any] = {
        f"state/{i}": keras.ops.convert_to_numpy(x) for i, x in enumerate(states(net, step))
    }
    arrays |= {f"exact/{n}/{i}": x for (n, i), x in _statistics(step).items()}
    known = {**notes, "history": _checksum(history)}
    arrays[_NOTES] = np.array(json.dumps(known))
    with atomic_write(place) as file:
        np.savez(file, **arrays)
    write_solverstate(state, step.iteration, learned, current_step, history)
    return state


class Read(NamedTuple):
    """A snapshot that was read.

    Attributes:
        state: the solver's.
        weights: where those lie that were written with it.
        others: other files of their name, which differ from them.
    """

    state: SolverState
    weights: Path
    others: list[Path]


def read_snapshot(path: Path, files: Files) -> Read:
    """A solver's state, and the weights of its name: those beside it, as it may have been moved.

    Raises:
        CaffeError: the state is damaged, or the weights are nowhere.
    """
    state = load_solverstate(path)
    if not state.learned_net:
        raise WeightsError(f"{path} names no weights; it is not whole")
    name = Path(state.learned_net)
    places = dict.fromkeys((path.parent / name.name, files.root / name, name))
    found = [place for place in places if place.exists()]
    if not found:
        raise WeightsError(
            f"{path} was written with {state.learned_net!r}, which is nowhere: it was looked for "
            f"as {' and '.join(repr(str(place)) for place in places)}"
        )
    weights, *rest = found
    others = [x for x in rest if not x.samefile(weights) and not cmp(x, weights, shallow=False)]
    return Read(state, weights, others)


def fitted_weights(path: Path, state: Path, net: RunNet) -> dict[str, Any]:
    """All of a net's weights from a snapshot's: layer -> blobs.

    Raises:
        WeightsError: they are those of another net.
    """
    with open_weights(path) as weights:
        if not isinstance(weights, CaffeModel):
            raise WeightsError(f"{path} is no file of Caffe's, as {state} says")
        blobs = fit_weights(net.network, weights)
    lacking = [name for name in net.params if name not in blobs]
    if lacking:
        raise WeightsError(
            f"{path}, which {state.name} was written with, lacks layer {lacking[0]!r} of "
            f"{net.network.path}: it is that of another net"
        )
    return blobs


def copy_weights(path: str | Path, net: RunNet, *, required: bool = True) -> list[str]:
    """Set the layers that a weights file has under their names; the others stay.

    Args:
        path: the file, or the name of a published model.
        net: the net.
        required: whether the file must have one at least.

    Returns:
        The layers that were set.

    Raises:
        WeightsError: it has none, or blobs of other shapes.
    """
    with opened_weights(path) as weights:
        assert weights is not None
        own = {keras_name(name): name for name in net.params}
        if not required and not any(keras_name(name) in own for name in weights):
            return []
        if isinstance(weights, CaffeModel):
            blobs = fit_weights(net.network, weights)
            net.params.set(blobs)
            return list(blobs)
        net.params.keep_in_step()
        loaded = load_weights(net.whole, weights, strict=False).loaded
        return [own.get(name, name) for name in loaded]


def states(net: RunNet, step: Step) -> list[Any]:
    """What a net keeps beside parameters: states of random generators, of recurrent layers."""
    known = {id(each.variable) for each in step.owned}
    known |= {id(x) for name in net.params for x in net.params.variables(name)}
    return [x for x in net.whole.variables if id(x) not in known]


def read_place(
    path: Path, net: RunNet, step: Step, state: SolverState
) -> tuple[dict[str, Any], dict[str, Array]] | None:
    """Read what Caffe's files have no place for, where it was kept with a snapshot.

    Returns:
        The notes, and arrays for `restore_states`; None where there are none for this snapshot.

    Raises:
        CaffeError: the file is damaged, or that of another net.
    """
    place = beside(path)
    if not place.exists():
        return None
    try:
        with place.open("rb") as opened, np.load(opened) as file:
            arrays = dict(file)
        notes: dict[str, Any] = json.loads(str(arrays.pop(_NOTES)))
        known = notes["history"]
    except (OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile, zlib.error) as error:
        raise CaffeError(f"{place} is damaged: {error}") from error
    if known != _checksum(state.arrays()):
        return None  # of another snapshot of this name, which Caffe wrote
    for index, variable in enumerate(states(net, step)):
        value = arrays.get(f"state/{index}")
        if value is None or value.shape != tuple(variable.shape):
            raise CaffeError(f"{place} is that of another net: {variable.path} is not in it")
    return notes, arrays


def restore_states(net: RunNet, step: Step, arrays: Mapping[str, Array]) -> None:
    """Set what `read_place` found.

    Statistics of a BatchNorm, of which Caffe's files hold the sums, become what they were to the
    last bit, if the sums still are theirs.
    """
    for index, variable in enumerate(states(net, step)):
        variable.assign(arrays[f"state/{index}"])
    _restore_statistics(net, step, arrays)


def _statistics(step: Step) -> dict[tuple[str, int], Array]:
    convert = keras.ops.convert_to_numpy
    return {x.place: np.array(convert(x.variable)) for x in step.owned if x.statistic}


def _restore_statistics(net: RunNet, step: Step, arrays: Mapping[str, Array]) -> None:
    held = net.params.stored()
    before = _statistics(step)
    variables = {x.place: x.variable for x in step.owned if x.statistic}
    for (name, index), variable in variables.items():
        exact = arrays.get(f"exact/{name}/{index}")
        if exact is not None and exact.shape == tuple(variable.shape):
            variable.assign(exact)
    for name, blobs in net.params.stored().items():
        if any(not np.array_equal(a, b) for a, b in zip(blobs, held[name], strict=True)):
            for place, variable in variables.items():
                if place[0] == name:
                    variable.assign(before[place])


def _checksum(arrays: Sequence[Array]) -> int:
    found = 0
    for array in arrays:
        found = zlib.crc32(
            np.ascontiguousarray(array, "<f4").reshape(-1).view(np.uint8).data, found
        )
    return found
