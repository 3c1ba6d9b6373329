"""`.solverstate`: where Caffe's solver goes on training, in protobuf or HDF5 form.

Source: `SolverState` in `src/caffe/proto/caffe.proto` and
`SnapshotSolverStateToHDF5` in `src/caffe/solvers/sgd_solver.cpp` of BVLC Caffe 1.0.
"""

from __future__ import annotations

from pathlib import Path

from google.protobuf.message import DecodeError

from keras_fcn.caffe.blobs.blob_protos import Array, StoredBlob, read_blob
from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.io import wire
from keras_fcn.caffe.io.source import SourceFile, opened
from keras_fcn.caffe.proto import schema
from keras_fcn.caffe.records import dataclass

_ITER, _LEARNED_NET, _HISTORY = 1, 2, 3  # of SolverState
_MEMBERS = ("iter", "learned_net", "current_step", "history")  # of the HDF5 form
_SHOWN = 200


@dataclass(frozen=True)
class SolverState:
    """A snapshot of a solver.

    Attributes:
        iter: iterations done.
        learned_net: the `.caffemodel` that was written beside it; empty if none.
        current_step: steps of the learning rate's schedule done.
        history: what the solver keeps of each trained blob, in the network's order.
            Momentum for SGD and Nesterov; Adam and AdaDelta have two such rows, one
            behind the other.
    """

    iter: int
    learned_net: str
    current_step: int
    history: tuple[StoredBlob, ...]

    def arrays(self) -> list[Array]:
        """The history as float32 arrays in Caffe's layout."""
        return [blob.array() for blob in self.history]


def load_solverstate(path: str | Path) -> SolverState:
    """Read a `.solverstate` or `.solverstate.h5`.

    Raises:
        WeightsError: the file is damaged, or is not a solver state.
    """
    with opened(path) as source:
        return _read_hdf5(source) if source.is_hdf5 else _read_binary(source)


def _read_binary(source: SourceFile) -> SolverState:
    path, buffer = source.path, source.content()
    head = bytearray()
    history = []
    message = schema.new("SolverState")
    try:
        for field in wire.fields(buffer, 0, len(buffer)):
            if field.number == _HISTORY and field.wire_type == wire.BYTES:
                history.append(read_blob(buffer, field.start, field.stop))
            else:
                head += buffer[field.begin : field.stop]
        message.MergeFromString(bytes(head))
    except (WeightsError, DecodeError) as error:
        raise WeightsError(
            f"{path} is not a solverstate, or is damaged or cut short ({error})"
        ) from error
    if not message.HasField("iter"):
        raise WeightsError(f"{path} has no iteration; is it a solverstate?")
    return SolverState(
        message.iter, _text(message.learned_net), message.current_step, tuple(history)
    )


def _read_hdf5(source: SourceFile) -> SolverState:
    from keras_fcn.caffe.io import hdf5_input

    path = source.path
    with hdf5_input.open_file(source) as file:
        members = {name: file.member(name) for name in _MEMBERS}
        lacking = [name for name in _MEMBERS if members[name] is None]
        if lacking:
            raise WeightsError(f"{path} has no {lacking[0]!r}; is it a .solverstate.h5?")
        group = members["history"]
        history: list[StoredBlob] = []
        while (dataset := hdf5_input.member(group, str(len(history)))) is not None:
            array = hdf5_input.numbers(dataset)
            history.append(StoredBlob(array.shape, (array.ravel(),)))
        counts = [hdf5_input.numbers(members[name]) for name in ("iter", "current_step")]
        if any(count.size != 1 for count in counts):
            raise WeightsError(f"{path} has not one number each in 'iter' and 'current_step'")
        iteration, step = (int(count.item()) for count in counts)
        learned_net = file.text(members["learned_net"])
    return SolverState(iteration, learned_net, step, tuple(history))


def _text(name: str | bytes) -> str:
    return name.decode("latin-1") if isinstance(name, bytes) else name


def describe_solverstate(buffer: memoryview) -> str | None:
    """Message for a solver state that was given as weights; None where it is not one."""
    counted = False
    try:
        # In a caffemodel field 1 is text; a single blob has no text in field 2.
        for field in wire.fields(buffer, 0, len(buffer)):
            if field.number == _ITER and field.wire_type == wire.VARINT:
                counted = True
            elif field.number == _LEARNED_NET and field.wire_type == wire.BYTES and counted:
                name = bytes(buffer[field.start : field.stop][-_SHOWN:]).decode("utf-8", "replace")
                return says_solverstate(name)
            else:
                return None
    except WeightsError:
        return None
    return None


def says_solverstate(learned_net: str) -> str:
    """The end of a sentence: what a solver state is, and what to give in its place."""
    name = learned_net.rpartition("/")[2]
    weights = f"{name!r}" if name else "the caffemodel of the same iteration"
    return f"a solver state, which holds no weights; give {weights} instead"
