"""The rates of a solver: its policy, and how far that has got.

Source: `SGDSolver::GetLearningRate` in `src/caffe/solvers/sgd_solver.cpp` of BVLC Caffe 1.0.
"""

from __future__ import annotations

from collections.abc import Mapping

from keras_fcn.caffe.text.solver import SolverDefinition
from keras_fcn.training.schedules import POLICIES, CaffeSchedule, step_iterations

__all__ = ["current_step", "schedule_of"]

# Policy -> fields and their lowest values, which Caffe checks; those of poly without which its
# rate is infinite, or no number.
_LOWEST: Mapping[str, Mapping[str, int]] = {
    "step": {"stepsize": 1, "gamma": 0},
    "sigmoid": {"stepsize": 1, "gamma": 0},
    "multistep": {"gamma": 0},
    "exp": {"gamma": 0},
    "inv": {"gamma": 0},
    "poly": {"max_iter": 1, "power": 0},
}


def schedule_of(solver: SolverDefinition) -> CaffeSchedule:
    """The learning rate's policy.

    Raises:
        PrototxtError: there is no such policy, a field that it needs is not given, or one has a
            value that Caffe refuses.
    """
    policy = solver.lr_policy
    if not policy:
        solver.refuse("lr_policy", f"is not given; give one of {', '.join(POLICIES)}")
    if policy == "multistep" and not solver.stepvalue:
        solver.refuse("lr_policy", "'multistep' needs stepvalue, which is not given")
    for name, lowest in _LOWEST.get(policy, {}).items():
        value = getattr(solver, name)
        if value >= lowest:
            continue
        if not solver.gives(name):
            solver.refuse("lr_policy", f"{policy!r} needs {name}, which is not given")
        solver.refuse(name, f"must be at least {lowest} for lr_policy {policy!r}, not {value:g}")
    try:
        return CaffeSchedule(
            solver.lr_policy,
            solver.base_lr,
            gamma=solver.gamma,
            power=solver.power,
            stepsize=solver.stepsize,
            stepvalues=solver.stepvalue,
            max_iter=solver.max_iter,
        )
    except ValueError as error:
        solver.refuse("lr_policy", str(error))


def current_step(solver: SolverDefinition, iteration: int) -> int:
    """Steps of the rate's schedule made by an iteration's update, which a solverstate keeps."""
    if iteration < 0:
        return 0
    if solver.lr_policy == "step":
        return iteration // solver.stepsize
    if solver.lr_policy == "multistep":
        return sum(iteration >= value for value in step_iterations(solver.stepvalue))
    return 0
