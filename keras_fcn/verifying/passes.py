"""A model's blobs one at a time, in Caffe's order; all of a network's are never held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.net.layer import Blob
from keras_fcn.core.card import card_of
from keras_fcn.graph.calls import Call, calls
from keras_fcn.inference.inspection import (
    keras_inputs,
    tensors_of,
    to_caffe_order,
    to_channels_last,
)
from keras_fcn.verifying.report import Array


def refusals() -> tuple[type[Exception], ...]:
    """What layers raise on blobs that they cannot take: sizes that differ, places that are none."""
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            return CaffeError, ValueError, tf.errors.InvalidArgumentError
        case "jax":
            return CaffeError, ValueError, TypeError
    return CaffeError, ValueError, RuntimeError, IndexError


class Blobs:
    """The blobs of a model, computed layer by layer as they are asked for.

    Args:
        model: a functional model.

    Attributes:
        names: blobs that the model has.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._training = card_of(model).phase == "TRAIN"
        found = tensors_of(model)
        self._contents = {x: found[tuple(y)] for x, y in card_of(model).contents.items()}
        self._tensors = {name: x for name, x in found.items() if isinstance(name, str)}
        self._made: dict[int, Call] = {}
        self._places: dict[tuple[str, int], Any] = {}
        for call in calls(model):
            for index, tensor in enumerate(call.outputs):
                self._made[id(tensor)] = call
                self._places.setdefault((call.operation.name, index), tensor)
        self._read = Counter(id(x) for call in self._calls() for x in call.inputs)
        self.names = tuple(self._tensors)

    def _calls(self) -> list[Call]:
        return list({id(call): call for call in self._made.values()}.values())

    def tensor(self, name: str) -> Any:
        """The tensor that has a blob's final content."""
        return self._contents.get(name, self._tensors[name])

    def one_pass(
        self, inputs: Mapping[str, Array], names: tuple[str, ...]
    ) -> Iterator[tuple[str, Array]]:
        """Blobs of one batch, in the order of `names`, in Caffe's axis order.

        What no later layer reads is forgotten.
        """
        values = self._fed(inputs)
        asked = Counter(id(self.tensor(name)) for name in names)
        left = self._read + asked
        for name in names:
            tensor = self.tensor(name)
            self._compute(tensor, values, left)
            yield name, self._as_blob(name, values[id(tensor)])
            _let_go(tensor, values, left)

    def of(self, name: str, known: Mapping[str, Array]) -> Array:
        """A blob as the model's layers make it of other blobs that are known.

        Args:
            name: the blob.
            known: blobs, in Caffe's axis order, the network's inputs among them; its own is
                not looked at.
        """
        tensor = self.tensor(name)
        values = self._seeded(known, but=tensor)
        self._compute(tensor, values)
        return self._as_blob(name, values[id(tensor)])

    def version(self, blob: Blob, known: Mapping[str, Array]) -> Array:
        """One version of a blob, as the layers make it of other blobs that are known."""
        tensor = self._places[blob.maker, blob.index]
        values = self._seeded(known)
        self._compute(tensor, values)
        return _caffe(values[id(tensor)])

    def sources(self, name: str, known: frozenset[str]) -> tuple[str, ...]:
        """Those of some known blobs that a blob is made of, nearest first."""
        by_tensor = {id(self.tensor(x)): x for x in known if x in self._tensors}
        start = self.tensor(name)
        found: dict[str, None] = {}
        pending, seen = [start], {id(start)}
        while pending:
            tensor = pending.pop()
            if tensor is not start and id(tensor) in by_tensor:
                found[by_tensor[id(tensor)]] = None
                continue
            call = self._made[id(tensor)]
            new = [x for x in call.inputs if id(x) not in seen]
            seen.update(map(id, new))
            pending += new
        return tuple(found)

    def _fed(self, inputs: Mapping[str, Array]) -> dict[int, Any]:
        arrays = keras_inputs(self._model, inputs)
        pairs = zip(self._model.inputs, arrays, strict=True)
        return {id(x): keras.ops.convert_to_tensor(array, x.dtype) for x, array in pairs}

    def _seeded(self, known: Mapping[str, Array], but: Any = None) -> dict[int, Any]:
        values = {}
        for name, array in known.items():
            if name in self._tensors and name not in self._contents:
                tensor = self._tensors[name]
                if tensor is not but:
                    values[id(tensor)] = keras.ops.convert_to_tensor(
                        np.ascontiguousarray(to_channels_last(array)), tensor.dtype
                    )
        for tensor in self._model.inputs:
            if id(tensor) not in values and not tensor.shape[1:]:
                values[id(tensor)] = keras.ops.zeros((1,))  # of a network without inputs
        return values

    def _as_blob(self, name: str, value: Any) -> Array:
        array = _caffe(value)
        if name in self._contents:  # the elements of another blob in the same memory
            shape = tuple(self._tensors[name].shape)
            sizes = (shape[0], shape[-1], *shape[1:-1]) if len(shape) > 2 else shape
            array = array.reshape([-1 if x is None else x for x in sizes])
        return array

    def _compute(
        self, tensor: Any, values: dict[int, Any], left: Counter[int] | None = None
    ) -> None:
        """Make a tensor of those in `values`, and what it needs."""
        pending = [tensor]
        while pending:
            if id(pending[-1]) in values:
                pending.pop()
                continue
            call = self._made[id(pending[-1])]
            missing = [x for x in call.inputs if id(x) not in values]
            if missing:
                pending += missing
                continue
            made = keras.tree.flatten(_called(call, values, self._training))
            values.update((id(x), y) for x, y in zip(call.outputs, made, strict=True))
            if left is not None:
                for x in call.inputs:
                    _let_go(x, values, left)
                for x in call.outputs:
                    if not left[id(x)] and x is not tensor:
                        del values[id(x)]


def _let_go(tensor: Any, values: dict[int, Any], left: Counter[int]) -> None:
    left[id(tensor)] -= 1
    if left[id(tensor)] <= 0:
        values.pop(id(tensor), None)


def _called(call: Call, values: Mapping[int, Any], training: bool) -> Any:
    args, kwargs = keras.tree.map_structure(
        lambda x: values[id(x)] if isinstance(x, keras.KerasTensor) else x, call.arguments
    )
    if getattr(call.operation, "_call_has_training_arg", False):
        kwargs = {"training": training} | {k: v for k, v in kwargs.items() if v is not None}
    return call.operation(*args, **kwargs)


def _caffe(value: Any) -> Array:
    return np.ascontiguousarray(to_caffe_order(keras.ops.convert_to_numpy(value)))
