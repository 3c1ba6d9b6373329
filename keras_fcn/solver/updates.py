"""The training step of a solver, one graph: passes, gradients, update."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.layers.base import Array
from keras_fcn.caffe.net.sharing import shared_places
from keras_fcn.caffe.text.solver import SolverDefinition
from keras_fcn.solver.devices import Devices
from keras_fcn.solver.learnables import Learnable, learnables, to_caffe, to_keras
from keras_fcn.solver.nets import RunNet
from keras_fcn.solver.rates import schedule_of
from keras_fcn.training.caffe_optimizer import CaffeOptimizer
from keras_fcn.training.solver import Solver as Updater

__all__ = ["Step", "Stepped"]


class Stepped(NamedTuple):
    """What a step tells.

    Attributes:
        losses: of each pass.
        outputs: of the last pass, each flat in Caffe's order.
        norm: L2 norm of all gradients before clipping; 0 where nothing is clipped.
        unfit: the parameter whose gradient is the first on the way back that is not finite; None
            where all are.
    """

    losses: list[np.float32]
    outputs: list[Any]
    norm: float
    unfit: Learnable | None = None


class Step:
    """Makes the updates of a solver, and holds its history.

    What has no rate is left as it is, but has a history, as in Caffe, where the rule makes one of
    the weight decay; of the statistics of a BatchNorm it is made of Caffe's sums.

    Args:
        solver: what it says.
        net: the net to train.
        devices: that share the passes.
    """

    def __init__(self, solver: SolverDefinition, net: RunNet, devices: Devices) -> None:
        self._solver = solver
        self._net = net
        self._devices = devices
        devices.require(net)
        self.owned = learnables(net)
        self.optimizer = CaffeOptimizer(
            solver.type,
            schedule_of(solver),
            solver.momentum,
            solver.momentum2,
            solver.delta,
            solver.rms_decay,
            solver.snapshot_diff or solver.debug_info,
        )
        self._begin(())

    def _begin(self, moving: Sequence[Learnable]) -> None:
        """Make the update, and its graph, anew.

        Args:
            moving: parameters without a rate that have a history all the same.
        """
        solver, net = self._solver, self._net
        config = self.optimizer.get_config()
        self.optimizer = CaffeOptimizer.from_config(config)
        beside = {each.place for each in moving}
        self._trained = [x for x in self.owned if x.trained or x.place in beside]
        self._aside = [
            x for x in self.owned if not x.trained and x.place not in beside and self._drifts(x)
        ]
        self._updater = Updater(
            self.optimizer,
            [x.variable for x in self._trained],
            [x.multipliers for x in self._trained],
            weight_decay=solver.weight_decay,
            regularization=solver.regularization_type,
            clip_gradients=solver.clip_gradients if solver.clip_gradients >= 0 else None,
            iter_size=solver.iter_size,
        )
        rows = range(self.optimizer.rule.rows)
        self._aside_history = [
            [keras.Variable(np.zeros(x.variable.shape, np.float32)) for x in self._aside]
            for _ in rows
        ]
        changed = [*self._updater.variables, *(x for row in self._aside_history for x in row)]
        known = {id(x): x for x in (*net.whole.variables, *changed)}
        self._variables = list(known.values())
        self._graph = net.runtime.compiled(self._step, self._variables)

    def _drifts(self, each: Learnable) -> bool:
        """Whether its decay makes a history though it has no rate."""
        decays = self._solver.weight_decay * each.multipliers.decay != 0
        return decays and not self.optimizer.rule.keeps_zero

    @property
    def iteration(self) -> int:
        """Updates made."""
        return int(ops.convert_to_numpy(self.optimizer.iterations))

    @property
    def rate(self) -> float:
        """The rate of the next update."""
        return self._updater.learning_rate

    def __call__(self, batches: Sequence[Sequence[Any]]) -> Stepped:
        """Pass over batches and update, where losses and gradients are numbers.

        Args:
            batches: one a pass, as many as devices for each that `iter_size` asks for.
        """
        losses, outputs, norm, fit = self._graph(tuple(map(tuple, batches)))
        bad = np.flatnonzero(~ops.convert_to_numpy(fit))
        unfit = self._trained[bad[-1]] if bad.size else None
        return Stepped(list(ops.convert_to_numpy(losses)), outputs, float(norm), unfit)

    def _step(self, batches: Any) -> Any:
        losses: list[Any] = [None] * len(batches)
        outputs: list[Any] = []
        gradients: list[Any] | None = None
        for number in self._devices.order(len(batches)):
            with self._devices.making(number, self._net):
                losses[number], outputs, found = self._gradients(batches[number])
            pairs = found if gradients is None else zip(gradients, found, strict=True)
            gradients = found if gradients is None else [a + b for a, b in pairs]
        gradients = self._devices.mean(gradients)
        total = ops.stack(losses)
        clips = self._solver.clip_gradients >= 0
        norm = ops.zeros(())
        if clips and gradients:
            norm = ops.sqrt(sum(ops.sum(ops.square(x)) for x in gradients))

        def update() -> None:
            if self._trained:
                self._updater.apply(gradients or [])
            else:  # Keras would not count it
                self.optimizer.iterations.assign_add(1)
            self._update_aside()

        fit = ops.ones((1,), "bool")
        if gradients:
            fit = ops.stack([ops.all(ops.isfinite(x)) for x in gradients])
        finite = ops.logical_and(ops.all(ops.isfinite(total)), ops.all(fit))
        self._net.runtime.when(finite, update, self._variables)
        return total, outputs, norm, fit

    def _gradients(self, batch: Any) -> tuple[Any, Any, list[Any]]:
        loss, outputs, found = self._net.runtime.differentiated(
            lambda: self._net.pass_over(batch),
            [x.variable for x in self._trained if x.trained],
            self._net.whole.variables,
        )
        own = iter(found)
        gradients = [next(own) if x.trained else ops.zeros(x.variable.shape) for x in self._trained]
        return loss, outputs, gradients

    def _update_aside(self) -> None:
        """The histories of what has no rate: of its decay alone."""
        by, rule = self.optimizer.constants, self.optimizer.rule
        for index, each in enumerate(self._aside):
            value = ops.convert_to_tensor(each.variable)
            if each.statistic and each.index < 2:
                value = value * self._factor(each)  # not in place, which PyTorch would
            decay = self._solver.weight_decay * each.multipliers.decay
            penalty = value if self._solver.regularization_type == "L2" else ops.sign(value)
            own = [row[index] for row in self._aside_history]
            number = self.optimizer.iterations  # which the update has raised
            _, new = rule.update(decay * penalty, own, 0.0, by, number)
            for old, array in zip(own, new, strict=True):
                old.assign(array)

    def _factor(self, each: Learnable) -> Any:
        """The factor of a BatchNorm's sums."""
        own = next(x for x in self.owned if x.place == (each.layer.name, 2))
        return ops.convert_to_tensor(own.variable)

    # The history

    def history(self) -> list[Array]:
        """All of it in Caffe's layout and order: one row of parameters behind the other."""
        result = []
        for row, aside in zip(self.optimizer.history, self._aside_history, strict=True):
            known = {x.place: _array(v) for x, v in zip(self._trained, row, strict=True)}
            known |= {x.place: _array(v) for x, v in zip(self._aside, aside, strict=True)}
            arrays = [
                known[x.place] if x.place in known else np.zeros(x.variable.shape, np.float32)
                for x in self.owned
            ]
            result += [
                np.reshape(blob, x.shape)
                for x, blob in zip(self.owned, to_caffe(self.owned, arrays), strict=True)
            ]
        return result

    def diffs(self) -> dict[str, list[Array]]:
        """What was taken off each parameter last, which Caffe calls its diff, by layer."""
        made = zip(self._trained, self.optimizer.updates, strict=True)
        known = {each.place: _array(update) for each, update in made}
        arrays = [
            known[x.place] if x.place in known else np.zeros(x.variable.shape, np.float32)
            for x in self.owned
        ]
        owned = dict(zip((x.place for x in self.owned), to_caffe(self.owned, arrays), strict=True))
        shared = shared_places(self._net.network)
        return {
            name: [
                np.reshape(owned[shared.get((name, i), (name, i))], param.shape)
                for i, param in enumerate(params)
            ]
            for name, params in self._net.params.items()
        }

    def require(self, history: Sequence[Array], path: str) -> list[Array]:
        """A history in Caffe's layout and order, in the shapes of the parameters.

        Args:
            history: the arrays.
            path: their file, for messages.

        Raises:
            WeightsError: they are not those of this net and type of solver.
        """
        count, rows = len(self.owned), self.optimizer.rule.rows
        if len(history) != count * rows:
            raise WeightsError(
                f"{path} has {len(history)} history blobs; a solver of type {self._solver.type} "
                f"for {self._net.network.path}, which has {count} parameters, has {count * rows}: "
                "it is that of another net or type"
            )
        owners = [*self.owned] * rows
        return [_shaped(blob, each, path) for blob, each in zip(history, owners, strict=True)]

    def restore(self, iteration: int, history: Sequence[Array], path: str) -> None:
        """Go on from a history in Caffe's layout and order; see `require`.

        Args:
            iteration: updates made.
            history: the arrays.
            path: their file, for messages.
        """
        shaped = self.require(history, path)
        count, rows = len(self.owned), self.optimizer.rule.rows
        parts = [to_keras(self.owned, shaped[i * count : (i + 1) * count]) for i in range(rows)]
        idle = [x for x in self.owned if not x.trained and not self._drifts(x) and not x.statistic]
        numbers = {x.place: n for n, x in enumerate(self.owned)}
        self._begin([x for x in idle if any(part[numbers[x.place]].any() for part in parts)])
        for row, aside, part in zip(
            self.optimizer.history, self._aside_history, parts, strict=True
        ):
            for each, variable in zip((*self._trained, *self._aside), (*row, *aside), strict=True):
                variable.assign(np.reshape(part[numbers[each.place]], variable.shape))
        self.optimizer.iterations.assign(iteration)


def _array(variable: Any) -> Array:
    """What a variable holds now; PyTorch would hand out the variable's own memory."""
    return np.array(ops.convert_to_numpy(variable))


def _shaped(blob: Array, each: Learnable, path: str) -> Array:
    """A history blob in its parameter's shape; legacy files lead with ones."""
    lead = len(blob.shape) - len(each.shape)
    if lead < 0 or any(size != 1 for size in blob.shape[:lead]) or blob.shape[lead:] != each.shape:
        raise WeightsError(
            f"{path}: the history of layer {each.layer.name!r}, blob {each.index}, has shape "
            f"{tuple(blob.shape)}, the net's blob {each.shape}: it is that of another net"
        )
    return np.reshape(blob, each.shape)
