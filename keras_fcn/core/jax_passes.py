"""Passes of a model on JAX, compiled for each size of its inputs."""

from __future__ import annotations

import threading
from typing import Any

import keras
import numpy as np

from keras_fcn.core.compiled import has_side_effects, is_known
from keras_fcn.kept import layers_state, same_state

_MAX_PROGRAMS = 16


class JaxPasses:
    """A program of XLA for each shape of a model's inputs, the last ones in use.

    A shape is compiled when it is first asked for: layer by layer, JAX would compile each
    operation for it. Weights may change; where a layer's attributes or the model's outputs have
    changed, all programs are made anew. See `keras_fcn.core.compiled`.

    Attributes:
        traces: how many programs have been made.
    """

    def __init__(self, model: keras.Model) -> None:
        self.traces = 0
        self._model = model
        self._programs: dict[Any, Any] = {}
        self._state: list[Any] = []
        self._known = False
        self._lock = threading.RLock()

    def __call__(
        self, inputs: Any, training: bool, any_layers: bool = False, kept_only: bool = False
    ) -> Any:
        """The outputs, and the model's states after the pass; None where none is compiled.

        Args:
            inputs: arrays, in the model's structure.
            training: as layers get it.
            any_layers: compile layers of others too.
            kept_only: use a program that is there; none is made.
        """
        if not all(map(_is_concrete, keras.tree.flatten(inputs))):
            return None
        inputs = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
        with self._lock:
            program = self._program(inputs, bool(training), any_layers, kept_only)
        if program is None:
            return None
        compiled, changed = program
        outputs, values = compiled(*_values(self._model), inputs)
        for index, value in zip(changed, values, strict=True):
            self._model.non_trainable_variables[index].assign(value)
        return outputs

    def _program(self, inputs: Any, training: bool, any_layers: bool, kept_only: bool) -> Any:
        if not same_state(self._state, state := layers_state(self._model)):
            self._programs.clear()
            self._state = state
            self._known = is_known(self._model)
        found = keras.tree.flatten_with_path(inputs)
        settings = keras.config.dtype_policy().name, _precision()
        if not any_layers and not self._known:
            return None
        key = (training, settings, *((path, x.shape, str(x.dtype)) for path, x in found))
        if key in self._programs:
            self._programs[key] = self._programs.pop(key)  # the latest in use
        elif kept_only:
            return None
        else:
            if len(self._programs) >= _MAX_PROGRAMS:
                del self._programs[next(iter(self._programs))]
            self._programs[key] = self._compiled(inputs, training)
            self._state = layers_state(self._model)  # a first pass may build layers
        return self._programs[key]

    def _compiled(self, inputs: Any, training: bool) -> Any:
        """The program, and which states it changes; None for what cannot be traced."""
        import jax

        model = self._model
        changed: list[int] = []

        def run(trainable: Any, other: Any, inputs: Any) -> Any:
            outputs, after = model.stateless_call(trainable, other, inputs, training=training)
            if has_side_effects(model, outputs):
                raise NotImplementedError("masks and losses are attributes of eager tensors")
            changed[:] = [i for i, value in enumerate(after) if value is not other[i]]
            return outputs, [after[i] for i in changed]

        try:
            lowered = jax.jit(run).lower(*_values(model), inputs)
        except Exception:  # whatever layers raise on symbolic arrays; they run uncompiled
            model._clear_losses()
            return None
        self.traces += 1
        return lowered.compile(), changed


def _precision() -> Any:
    """How JAX multiplies matrices: whether with TF32."""
    import jax

    return jax.config.jax_default_matmul_precision


def _values(model: keras.Model) -> tuple[list[Any], list[Any]]:
    return (
        [variable.value for variable in model.trainable_variables],
        [variable.value for variable in model.non_trainable_variables],
    )


def _is_concrete(x: Any) -> bool:
    """Whether this is an array of some images, and none that stands for others in a trace."""
    import jax

    is_array = isinstance(x, np.ndarray | jax.Array) and not isinstance(x, jax.core.Tracer)
    return is_array and 0 not in x.shape[:1]
