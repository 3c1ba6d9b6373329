"""Passes of a model in compiled functions that are kept with it."""

from __future__ import annotations

import threading
from typing import Any

import keras
import numpy as np

from keras_fcn.core.folding import folded_pass, folds_of
from keras_fcn.graph.sizes import tensor_shapes
from keras_fcn.kept import layers_state, same_state
from keras_fcn.layers.known import is_trusted, own_method

_MAX_TRACES = 16
_MAX_ASKED = 256
_MAX_AT_ONCE = 6

Shapes = tuple[tuple[int | None, ...], ...]


class CompiledPasses:
    """Compiled functions of a model's inputs, the last ones in use.

    One function serves all sizes that the model leaves open; only a model whose layers need to
    know them has one for each size. The batch may have any length. Batch norms are folded into
    convolutions. Weights may change; where a layer's attributes or the model's outputs have
    changed, all functions are made anew. What is asked for once is not compiled, but for
    `predict`, which compiles the first sizes at once.

    Attributes:
        traces: how many functions have been made.
    """

    def __init__(self, model: keras.Model) -> None:
        self.traces = 0
        self._model = model
        self._functions: dict[Any, Any] = {}
        self._asked: dict[Any, None] = {}
        self._sized = False
        self._fitting: dict[Shapes, bool] = {}
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
        found = keras.tree.flatten_with_path(inputs)
        kinds = (training, any_layers, *((path, x.dtype) for path, x in found))
        with self._lock:
            self._follow_changes()
            shapes = self._shapes(inputs)
            key = (kinds, shapes)
            if key in self._functions:
                self._functions[key] = self._functions.pop(key)  # the latest in use
                return self._functions[key]
            if kept_only:
                return None
            at_once = any_layers and not (self._sized and len(self._functions) >= _MAX_AT_ONCE)
            if not at_once and key not in self._asked:
                # A trace costs several passes, which one pass is not worth.
                _keep_last(self._asked, key, None)
                return None
            function = None
            if any_layers or is_known(self._model):
                function = self._traced(inputs, training, shapes)
                if function is None and shapes != (own := _own_shapes(inputs)):
                    self._sized = True  # a layer needs to know the sizes
                    key = (kinds, own)
                    function = self._traced(inputs, training, own)
            if len(self._functions) >= _MAX_TRACES:
                del self._functions[next(iter(self._functions))]
            self._functions[key] = function
            self._state = layers_state(self._model)
            return function

    def _follow_changes(self) -> None:
        """Forget all functions where an attribute of a layer, or an output has changed."""
        state = layers_state(self._model)
        if not same_state(self._state, state):
            self._functions.clear()
            self._fitting.clear()
            self._sized, self._state = False, state

    def _shapes(self, inputs: Any) -> Shapes:
        """The shapes that a function is made for: the model's, where its layers take these."""
        own = _own_shapes(inputs)
        tensors = getattr(self._model, "inputs", None) or ()
        named = isinstance(inputs, dict) and len(tensors) > 1
        free = tuple((None, *x.shape[1:]) if x.shape else () for x in tensors)
        if self._sized or named or free == own or not _takes(free, own):
            return own
        if own not in self._fitting:
            one = tuple((1, *shape[1:]) for shape in own)
            _keep_last(self._fitting, own, tensor_shapes(self._model, one) is not None)
        return free if self._fitting[own] else own

    def _traced(self, inputs: Any, training: bool, shapes: Shapes) -> Any:
        """A function of the flat inputs; None where the model has what cannot be traced."""
        import tensorflow as tf

        model = self._model
        folds = () if training else folds_of(model)
        alone = len(getattr(model, "inputs", None) or ()) == 1

        def run(*tensors: Any) -> Any:
            x = tensors[0] if alone else keras.tree.pack_sequence_as(inputs, tensors)
            outputs = folded_pass(model, folds, x) if folds else model(x, training=training)
            if has_side_effects(model, outputs):
                raise NotImplementedError("masks and losses are attributes of eager tensors")
            return outputs

        specs = [
            tf.TensorSpec(shape, x.dtype)
            for shape, x in zip(shapes, keras.tree.flatten(inputs), strict=True)
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


def _own_shapes(inputs: Any) -> Shapes:
    """The shapes of arrays, of which the batch is free."""
    return tuple((None, *x.shape[1:]) if x.shape else () for x in keras.tree.flatten(inputs))


def _takes(wanted: Shapes, given: Shapes) -> bool:
    return [len(shape) for shape in wanted] == [len(shape) for shape in given] and all(
        size in (None, other)
        for pair in zip(wanted, given, strict=True)
        for size, other in zip(*pair, strict=True)
    )


def _keep_last(kept: dict[Any, Any], key: Any, value: Any) -> None:
    """Keep an answer among the last ones."""
    kept[key] = value
    while len(kept) > _MAX_ASKED:
        del kept[next(iter(kept))]


def passes_are_eager() -> bool:
    """Whether variables may be read and written now: no function is being traced."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return bool(tf.executing_eagerly()) and not is_stateless()


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
    return bool(could_possibly_record()) or is_stateless()


def is_stateless() -> bool:
    """Whether variables stand for other values, or Keras does not tell."""
    try:
        from keras.src.backend.common.stateless_scope import in_stateless_scope
    except ImportError:
        return True
    return bool(in_stateless_scope())


def is_known(model: keras.Model) -> bool:
    """Whether all layers are Keras' or ours, and thus do the same whenever they are traced."""
    return all(
        is_trusted(type(item))
        and not isinstance(item, keras.layers.Lambda)
        and not own_method(item)
        for layer in model._flatten_layers()
        for item in (layer, *getattr(layer, "operations", ()))
    )


def has_side_effects(model: keras.Model, outputs: Any) -> bool:
    """Whether a pass has left masks or losses, which are attributes."""
    masks = (getattr(x, "_keras_mask", None) for x in keras.tree.flatten(outputs))
    return any(x is not None for x in masks) or any(x._losses for x in model._flatten_layers())
