"""`solver.prototxt`: `SolverParameter` as plain frozen data.

Source: `src/caffe/proto/caffe.proto`, `UpgradeSolverAsNeeded` in `upgrade_proto.cpp` and
`Solver::InitTrainNet` and `InitTestNets` in `solver.cpp` of BVLC Caffe 1.0.
"""

from __future__ import annotations

import math
import re
from dataclasses import field, replace
from pathlib import Path
from typing import Any, NoReturn

from keras_fcn.caffe.definition import NO_FIELDS, Fields, NetDefinition, single
from keras_fcn.caffe.errors import PrototxtError
from keras_fcn.caffe.proto import schema
from keras_fcn.caffe.proto.definitions import current_definition
from keras_fcn.caffe.proto.fields import fields_of
from keras_fcn.caffe.records import dataclass
from keras_fcn.caffe.text.prototxt import parse, read_text
from keras_fcn.caffe.words import parts

__all__ = ["SolverDefinition", "read_solver"]

_TYPES = {
    "SGD": "SGD",
    "NESTEROV": "Nesterov",
    "ADAGRAD": "AdaGrad",
    "RMSPROP": "RMSProp",
    "ADADELTA": "AdaDelta",
    "ADAM": "Adam",
}
_REGULARIZATIONS = ("L2", "L1")
_NETS = ("net_param", "train_net_param", "test_net_param")
_TRAIN_NETS = ("net", "net_param", "train_net", "train_net_param")
# Field -> its lowest value.
_LOWEST = {
    **dict.fromkeys(("average_loss", "iter_size"), 1),
    **dict.fromkeys(("max_iter", "display", "snapshot", "test_interval"), 0),
}
_REAL = (
    *("base_lr", "gamma", "power", "momentum", "momentum2", "rms_decay", "delta", "weight_decay"),
)
IDLE = ("solver_mode", "device_id", "layer_wise_reduce")
"""Fields that choose how Caffe computes, which changes no number."""


@dataclass(frozen=True)
class SolverDefinition:
    """`SolverParameter`: fields under their names, with Caffe's defaults.

    Attributes:
        path: the file that it was read from.
        text: the file's text.
        idle: what was given of the fields that do nothing here.
    """

    path: str = field(default="<solver>", compare=False)
    text: str = field(default="", compare=False, repr=False)
    idle: tuple[str, ...] = ()
    net: str = ""
    net_param: NetDefinition | None = None
    train_net: str = ""
    train_net_param: NetDefinition | None = None
    test_net: tuple[str, ...] = ()
    test_net_param: tuple[NetDefinition, ...] = ()
    train_state: Fields = NO_FIELDS
    test_state: tuple[Fields, ...] = ()
    test_iter: tuple[int, ...] = ()
    test_interval: int = 0
    test_compute_loss: bool = False
    test_initialization: bool = True
    base_lr: float = 0.0
    display: int = 0
    average_loss: int = 1
    max_iter: int = 0
    iter_size: int = 1
    lr_policy: str = ""
    gamma: float = 0.0
    power: float = 0.0
    stepsize: int = 0
    stepvalue: tuple[int, ...] = ()
    momentum: float = 0.0
    momentum2: float = single(0.999)
    rms_decay: float = single(0.99)
    delta: float = single(1e-8)
    weight_decay: float = 0.0
    regularization_type: str = "L2"
    clip_gradients: float = -1.0
    snapshot: int = 0
    snapshot_prefix: str = ""
    snapshot_diff: bool = False
    snapshot_format: str = "BINARYPROTO"
    snapshot_after_train: bool = True
    random_seed: int = -1
    type: str = "SGD"
    debug_info: bool = False
    weights: tuple[str, ...] = ()

    def place(self, name: str) -> str:
        """Location of a field, for messages: `solver.prototxt:3`; the file's where it is not."""
        found = self._found(name)
        if found is None:
            return self.path
        return f"{self.path}:{self.text.count(chr(10), 0, found.start()) + 1}"

    def gives(self, name: str) -> bool:
        """Whether a field stands in the text."""
        return self._found(name) is not None

    def _found(self, name: str) -> re.Match[str] | None:
        return re.search(rf"^[^#\n]*?\b{name}\s*[:{{]", self.text, re.MULTILINE)

    def refuse(self, name: str, problem: str) -> NoReturn:
        """Raise the error that names file, line and field."""
        raise PrototxtError(f"{self.place(name)}: {name}: {problem}")


def read_solver(path: str | Path) -> SolverDefinition:
    """Read a solver's prototxt.

    Raises:
        PrototxtError: it is none, has a field that Caffe's solvers do not have, or values that
            do not go together; the message has file and line.
        NetworkError: a net that stands in it is wrong.
    """
    return parse_solver(read_text(path), str(path))


def parse_solver(text: str, path: str = "<solver>") -> SolverDefinition:
    """Read a solver from text; see `read_solver`.

    Args:
        text: the prototxt.
        path: its name, for messages.
    """
    message = schema.new("SolverParameter")
    reader = parse(text, message, path)
    for unknown in reader.unknown:
        if unknown.field in ("layer", "layers") and not unknown.path:
            raise PrototxtError(
                f"{path}:{unknown.line}: this is a network; give the solver that names it"
            )
        raise PrototxtError(f"{path}:{unknown.line}: {unknown.problem}; {unknown.advice}")
    given = dict(fields_of(message, frozenset(_NETS)))
    for name in _NETS:
        nets = getattr(message, name)
        if name == "test_net_param":
            given[name] = tuple(current_definition(net, path=path) for net in nets)
        elif message.HasField(name):
            given[name] = current_definition(nets, path=path)
    if "weights" in given:
        given["weights"] = tuple(name for text in given["weights"] for name in parts(text))
    idle = tuple(name for name in IDLE if given.pop(name, None) is not None)
    number = given.pop("solver_type", None)
    solver = SolverDefinition(path, text, idle, **given)
    if number is not None:
        if "type" in given:
            solver.refuse("solver_type", "is the old form of type, which is given too; leave it")
        solver = replace(solver, type=_TYPES[number])
    _check(solver, given)
    return solver


def _check(solver: SolverDefinition, given: dict[str, Any]) -> None:
    """Refuse values that Caffe refuses."""
    nets = [name for name in _TRAIN_NETS if name in given]
    if len(nets) != 1:
        problem = f"it has {' and '.join(nets)}" if nets else "it has none"
        raise PrototxtError(
            f"{solver.place(nets[1]) if nets else solver.path}: a solver has one of "
            f"{', '.join(_TRAIN_NETS)}, for the net to train; {problem}"
        )
    if solver.net and solver.net_param is not None:
        solver.refuse("net_param", "net is given too; leave one of them")
    for name in _REAL:
        value = getattr(solver, name)
        if not math.isfinite(value):
            solver.refuse(name, f"must be a finite number, not {value:g}")
    for name, lowest in _LOWEST.items():
        if getattr(solver, name) < lowest:
            solver.refuse(name, f"must be at least {lowest}, not {getattr(solver, name)}")
    if solver.type not in _TYPES.values():
        solver.refuse("type", f"must be one of {', '.join(_TYPES.values())}, not {solver.type!r}")
    if solver.regularization_type not in _REGULARIZATIONS:
        solver.refuse(
            "regularization_type",
            f"must be {' or '.join(_REGULARIZATIONS)}, not {solver.regularization_type!r}",
        )
    if solver.type in ("AdaGrad", "RMSProp") and solver.momentum:
        solver.refuse("momentum", f"{solver.type} has none; take it out, or another type")
    if not 0 <= solver.rms_decay < 1:
        solver.refuse("rms_decay", f"must be from 0 to below 1, not {solver.rms_decay:g}")
    _check_tests(solver)


def _check_tests(solver: SolverDefinition) -> None:
    named = len(solver.test_net) + len(solver.test_net_param)
    generic = bool(solver.net) or solver.net_param is not None
    count = len(solver.test_iter)
    if count < named or (count > named and not generic):
        solver.refuse(
            "test_iter",
            f"must be given once for each test net, of which there are {named}; it is given "
            f"{count} times",
        )
    if solver.test_state and len(solver.test_state) != count:
        solver.refuse(
            "test_state",
            f"must be given for none or for each of the {count} test nets, not "
            f"{len(solver.test_state)} times",
        )
    if count and not solver.test_interval:
        solver.refuse("test_iter", "there are test nets, but test_interval is not given")
    for number in solver.test_iter:
        if number < 1:
            solver.refuse("test_iter", f"must be at least 1, not {number}")
