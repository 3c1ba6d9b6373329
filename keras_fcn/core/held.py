"""The parameters of one layer, in Caffe's layout and in Keras'."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_fcn.caffe.layers.base import Array
from keras_fcn.caffe.net.network import Layer
from keras_fcn.layers.tied import Tied


class Held:
    """Parameters of a layer: the Keras variables, and what is handed out of them.

    Attributes:
        layer: the layer.
        variables: the Keras variables that it uses, in its order.
    """

    def __init__(self, layer: Layer, own: keras.layers.Layer) -> None:
        self._arrays: dict[int, Array] = {}
        self._known: list[Any] = []
        self.bind(layer, own)

    def bind(self, layer: Layer, own: keras.layers.Layer) -> None:
        """Hold the weights of a Keras layer; arrays that were in step are so with it."""
        self.layer = layer
        self.variables: list[Any] = own.used_weights if isinstance(own, Tied) else own.weights
        self._shapes = [v.shape for v in (own.layer if isinstance(own, Tied) else own).weights]

    def stored(self) -> list[Array]:
        """The blobs that Keras has."""
        return self._blobs(values_of(self.variables))

    def gradients(self, found: Mapping[int, Any]) -> list[Array]:
        """Gradients of the blobs from those of variables, by identity; 0 where there is none."""
        return self._blobs(
            [found.get(id(x), np.zeros(x.shape, np.float32)) for x in self.variables]
        )

    def _blobs(self, values: Sequence[Any]) -> list[Array]:
        arrays = [ops.convert_to_numpy(value) for value in values]
        shaped = [x.reshape(shape) for x, shape in zip(arrays, self._shapes, strict=True)]
        return self.layer.caffe_blobs(shaped)

    def array(self, index: int) -> Array:
        """The array of a blob."""
        if self._arrays and not _are_current(self._known, self.variables):
            self.keep_in_step()
        if not self._arrays:
            self._known = values_of(self.variables)
        if index not in self._arrays:
            blob = self._blobs(self._known)[index]
            self._arrays[index] = np.array(blob, np.float32, order="C")
        return self._arrays[index]

    def keep_in_step(self) -> None:
        """Exchange what was written since the last time; see `Params.keep_in_step`."""
        if not self._arrays:
            return
        clash = self._exchange()
        self._release()
        if clash is not None:
            raise ValueError(
                f"net.params[{self.layer.name!r}][{clash}] and the Keras variable behind it were "
                "both written to, with different values; the variable's are kept. Read net.params "
                "or net.keras between the two"
            )

    def _exchange(self) -> int | None:
        """Take each element from the side that wrote it; a blob that both wrote, if any."""
        moved = not _are_current(self._known, self.variables)
        before, values = self._blobs(self._known), values_of(self.variables)
        now = self._blobs(values) if moved else before
        written, clash = {}, None
        for index, array in self._arrays.items():
            mine = _differ(array, before[index])
            if moved:
                theirs = _differ(now[index], before[index])
                if np.any(mine & theirs & _differ(array, now[index])):
                    clash, mine[...], theirs[...] = index, False, True
                array[theirs] = now[index][theirs]
            if mine.any():
                written[index] = array
        if written:
            self._assign([written.get(index, blob) for index, blob in enumerate(now)])
            for index, blob in enumerate(self.stored()):  # as Keras has them, to the last bit
                if index in self._arrays:
                    self._arrays[index][...] = blob
        return clash

    def set(self, blobs: Sequence[Array]) -> None:
        """Set all blobs."""
        self._assign(blobs)
        self.keep_in_step()

    def _assign(self, blobs: Sequence[Array]) -> None:
        plain = [np.asarray(blob, np.float32) for blob in blobs]
        weights = [weight.array() for weight in self.layer.keras_weights(plain)]
        for variable, value in zip(self.variables, weights, strict=True):
            variable.assign(value.reshape(variable.shape))

    def _release(self) -> None:
        """Forget the arrays that nobody holds; the others stay in step."""
        held = {index: weakref.ref(array) for index, array in self._arrays.items()}
        self._arrays = {}
        kept = {index: array() for index, array in held.items()}
        self._arrays = {index: array for index, array in kept.items() if array is not None}
        self._known = values_of(self.variables) if self._arrays else []


def values_of(variables: Sequence[Any]) -> list[Any]:
    """What variables hold now, whatever is assigned to them later."""
    values = [variable.value for variable in variables]
    if keras.backend.backend() == "jax":  # whose arrays never change
        return values
    return list(map(ops.copy, values))  # TensorFlow makes one where there is an assignment


def _are_current(values: Sequence[Any], variables: Sequence[Any]) -> bool:
    """Whether variables surely hold these values still: the very same memory."""
    return all(map(is_same, values, values_of(variables)))


def is_same(value: Any, now: Any) -> bool:
    """Whether two tensors surely are the same: they have the same memory."""
    try:
        first, second = (np.asarray(memoryview(x)) for x in (value, now))
    except (TypeError, ValueError, RuntimeError):  # not in the processor's memory
        return False
    return first.ctypes.data == second.ctypes.data


def _differ(array: Array, other: Array) -> Array:
    """Where two arrays differ in their bits: NaN is NaN."""
    found: Array = array.view(np.int32) != np.asarray(other, np.float32).view(np.int32)
    return found
