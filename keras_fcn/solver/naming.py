"""The nets that a solver names.

Source: `Solver::InitTrainNet` and `InitTestNets` in `src/caffe/solver.cpp` of BVLC Caffe 1.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_fcn.caffe.text.solver import SolverDefinition
from keras_fcn.solver.files import Files
from keras_fcn.solver.nets import Told

__all__ = ["nets_of"]


def nets_of(
    solver: SolverDefinition, files: Files, level: int = 0, stages: Sequence[str] = ()
) -> tuple[Told, list[Told]]:
    """The net to train, and the test nets, in Caffe's order.

    Args:
        solver: what it says.
        files: where its files lie.
        level: of the state of the net to train.
        stages: of that state.

    Raises:
        CaffeError: a net is missing or wrong.
    """

    def told(named: Any, phase: str, **state: Any) -> Told:
        net = files.net(named) if isinstance(named, str) else named
        return Told.of(net, solver.path, phase, **state)

    general = solver.net or solver.net_param
    own = solver.train_net or solver.train_net_param or general
    train = told(own, "TRAIN", more=solver.train_state, level=level, stages=stages)
    tests: list[Any] = [*solver.test_net_param, *solver.test_net]
    tests += [general] * (len(solver.test_iter) - len(tests))
    states = solver.test_state or (None,) * len(tests)
    return train, [told(x, "TEST", more=state) for x, state in zip(tests, states, strict=True)]
