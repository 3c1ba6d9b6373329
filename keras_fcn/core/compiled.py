"""Passes of a model in compiled functions that are kept with it."""

from __future__ import annotations

import threading
from typing import Any

import keras
import numpy as np

from keras_fcn.graph.kept import layers_state, same_state
from keras_fcn.layers.known import is_trusted, own_method

_MAX_TRACES = 16
_MAX_ASKED = 256


class CompiledPasses:
    """A compiled function for each size of a model's inputs, the last ones in use.

    The batch may have any length. Weights may change; where a layer's attributes or the
    model's outputs have changed, all functions are made anew. What is asked for once, such as
    a size that no other image has, is not compiled, but for `predict`.

    Attributes:
        traces: how many functions have been made.
    """

    def __init__(self, model: keras.Model) -> None:
        self.traces = 0
        self._model = model
        self._functions: dict[Any, Any] = {}
        self._asked: dict[Any, None] = {}
        self._state: list[Any] = []
        self._lock = threading.RLock()

    def __call__(
        self, inputs: Any, training: bool, any_layers: bool = False, kept_only: bool = False
    ) -> Any:
        """The outputs; None where only an uncompiled pass can tell them.

        Args:
            inputs: arrays or eager tensors, in the model's structure.
            training: as layers get it.
            any_layers: compile at once, and layers of others too, of whose Python code only
                what makes tensors is run again at each pass.
            kept_only: use a function that is there; none is made, and this does not count as
                asking for one.
        """
        import tensorflow as tf

        given = keras.tree.flatten(inputs)
        if not all(isinstance(x, np.ndarray | tf.Tensor) and 0 not in x.shape[:1] for x in given):
            return None
        tensors = list(map(tf.convert_to_tensor, given))
        inputs = keras.tree.pack_sequence_as(inputs, tensors)
        function = self._function(inputs, bool(training), any_layers, kept_only)
        if function is None:
            return None
        try:
            return function(*tensors)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
            return None  # a layer that is called by itself names the reason

    def _function(self, inputs: Any, training: bool, any_layers: bool, kept_only: bool) -> Any:
        key = (
            training,
            any_layers,
            *((path, (*x.shape,)[1:], x.dtype) for path, x in keras.tree.flatten_with_path(inputs)),
        )
        with self._lock:
            if not same_state(self._state, layers_state(self._model)):
                self._functions.clear()
            if key in self._functions:
                self._functions[key] = self._functions.pop(key)  # the latest in use
                return self._functions[key]
            if kept_only:
                return None
            if not any_layers and key not in self._asked:
                self._asked[key] = None  # a trace costs several passes, which one pass is not worth
                while len(self._asked) > _MAX_ASKED:
                    del self._asked[next(iter(self._asked))]
                return None
            if len(self._functions) >= _MAX_TRACES:
                del self._functions[next(iter(self._functions))]
            compiles = any_layers or _is_known(self._model)
            self._functions[key] = self._traced(inputs, training) if compiles else None
            self._state = layers_state(self._model)
            return self._functions[key]

    def _traced(self, inputs: Any, training: bool) -> Any:
        """A function of the flat inputs; None where the model has what cannot be traced."""
        import tensorflow as tf

        model = self._model

        def run(*tensors: Any) -> Any:
            outputs = model(keras.tree.pack_sequence_as(inputs, tensors), training=training)
            if _has_side_effects(model, outputs):
                raise NotImplementedError("masks and losses are attributes of eager tensors")
            return outputs

        specs = [
            tf.TensorSpec((None, *x.shape[1:]) if x.shape.rank else (), x.dtype)
            for x in keras.tree.flatten(inputs)
        ]
        # Like Keras' own predict, without AutoGraph, which cannot read a lambda among others.
        function = tf.function(run, autograph=False, jit_compile=False)
        try:
            traced = function.get_concrete_function(*specs)
        except Exception:  # whatever layers raise on symbolic tensors; they run uncompiled
            model._clear_losses()
            return None
        self.traces += 1
        return traced


def passes_are_eager() -> bool:
    """Whether variables may be read and written now: no function is being traced."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return bool(tf.executing_eagerly()) and not _is_stateless()


def passes_are_free() -> bool:
    """Whether nothing but its outputs is asked of a pass that is made now.

    Not so in a function that is being traced, under a gradient tape, in a scope that gives
    variables other values, in a distribution strategy, or where functions are run eagerly.
    """
    if keras.backend.backend() != "tensorflow" or keras.distribution.distribution() is not None:
        return False
    import tensorflow as tf

    if not tf.executing_eagerly() or tf.config.functions_run_eagerly():
        return False
    return not tf.distribute.has_strategy() and not _is_watched()


def _is_watched() -> bool:
    try:  # nothing public tells; without these no pass is compiled
        from tensorflow.python.eager.record import could_possibly_record
    except ImportError:
        return True
    return bool(could_possibly_record()) or _is_stateless()


def _is_stateless() -> bool:
    try:
        from keras.src.backend.common.stateless_scope import in_stateless_scope
    except ImportError:
        return True
    return bool(in_stateless_scope())


def _is_known(model: keras.Model) -> bool:
    """Whether all layers are Keras' or ours, and thus do the same whenever they are traced."""
    return all(
        is_trusted(type(item))
        and not isinstance(item, keras.layers.Lambda)
        and not own_method(item)
        for layer in model._flatten_layers()
        for item in (layer, *getattr(layer, "operations", ()))
    )


def _has_side_effects(model: keras.Model, outputs: Any) -> bool:
    masks = (getattr(x, "_keras_mask", None) for x in keras.tree.flatten(outputs))
    return any(x is not None for x in masks) or any(x._losses for x in model._flatten_layers())
