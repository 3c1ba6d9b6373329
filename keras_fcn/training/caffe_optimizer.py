"""Caffe's solvers as a Keras optimizer."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras

from keras_fcn.training import caffe_rules  # by its name, as it may be what loads Keras

__all__ = ["CaffeOptimizer"]


@keras.saving.register_keras_serializable(package="keras_fcn")
class CaffeOptimizer(keras.optimizers.Optimizer):
    """An update of Caffe's, with Caffe's history; see `keras_fcn.training.caffe_rules`.

    Args:
        kind: Caffe's `type`: `"SGD"`, `"Nesterov"`, `"AdaGrad"`, `"RMSProp"`, `"AdaDelta"` or
            `"Adam"`.
        learning_rate: a number or a schedule.
        momentum: of SGD and Nesterov, of Adam's first moment; AdaDelta's decay.
        momentum2: of Adam's second moment.
        delta: keeps from dividing by zero; added where Caffe adds it.
        rms_decay: RMSProp's decay.
        keep_updates: whether what was taken off each variable last is kept.
        **kwargs: arguments of `keras.optimizers.Optimizer`.

    Raises:
        ValueError: no such kind.

    Attributes:
        rule: of its kind.
        constants: of the rule.
        history: the rows of history, each with a variable for each that is trained.
        updates: what was taken off each of these last, where it is kept.
    """

    def __init__(
        self,
        kind: str = "SGD",
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        momentum2: float = 0.999,
        delta: float = 1e-8,
        rms_decay: float = 0.99,
        keep_updates: bool = False,
        name: str = "caffe",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        if kind not in caffe_rules.RULES:
            raise ValueError(f"`kind` must be one of {list(caffe_rules.RULES)}. Received: {kind!r}")
        self.kind = kind
        self.rule = caffe_rules.RULES[kind]
        self.constants = caffe_rules.Constants(momentum, momentum2, delta, rms_decay)
        self.keep_updates = keep_updates
        self.history: list[list[Any]] = []
        self.updates: list[Any] = []

    def build(self, variables: Sequence[Any]) -> None:
        """Make the history, of zeros."""
        if self.built:
            return
        super().build(variables)
        self.history = [
            self.add_optimizer_variables(variables, f"history{row}")
            for row in range(self.rule.rows)
        ]
        if self.keep_updates:
            self.updates = self.add_optimizer_variables(variables, "update")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Take the update off a variable."""
        gradient = keras.ops.cast(gradient, variable.dtype)
        index = self._get_variable_index(variable)
        own = [row[index] for row in self.history]
        rate = keras.ops.cast(learning_rate, variable.dtype)
        update, new = self.rule.update(gradient, own, rate, self.constants, self.iterations + 1)
        for old, value in zip(own, new, strict=True):
            self.assign(old, value)
        if self.updates:
            self.assign(self.updates[index], update)
        self.assign_sub(variable, update)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = {"kind": self.kind, "keep_updates": self.keep_updates}
        own |= dataclasses.asdict(self.constants)
        return {**super().get_config(), **own}
