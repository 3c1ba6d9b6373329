"""A model rebuilt call by call, so that surgery can exchange layers on the way."""

from __future__ import annotations

from typing import Any

import keras

from keras_fcn.calls import Call
from keras_fcn.heads import same_kind
from keras_fcn.model import CaffeFunctional, CaffeInfo


class Rebuild:
    """The new graph so far.

    Attributes:
        model: the old model.
        tensors: id of an old tensor -> the new one.
        layers: id of an old layer -> the new one.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.tensors: dict[int, Any] = {}
        self.layers: dict[int, Any] = {}
        self._sequence: list[Any] = []

    def start(self, call: Call, shape: tuple[int | None, ...]) -> None:
        """Make the new input for an old one."""
        (old,) = call.outputs
        self.tensors[id(old)] = keras.Input(shape, name=call.operation.name, dtype=old.dtype)

    def copy(self, operation: Any) -> Any:
        """The layer's twin with its own weights; operations without weights serve again."""
        if not isinstance(operation, keras.layers.Layer):
            return operation
        return self.twin(operation, type(operation), operation.get_config())

    def twin(self, old: Any, cls: type[keras.layers.Layer], config: dict[str, Any]) -> Any:
        """The new layer for an old one, made when it is first asked for."""
        if id(old) not in self.layers:
            self.layers[id(old)] = cls.from_config(config)
        return self.layers[id(old)]

    def apply(self, call: Call, layer: Any) -> None:
        """Call a new layer as the old one was; the weights come along, reshaped."""
        args, kwargs = keras.tree.map_structure(
            lambda x: self.tensors.get(id(x), x) if isinstance(x, keras.KerasTensor) else x,
            call.arguments,
        )
        outputs = keras.tree.flatten(layer(*args, **kwargs))
        self.tensors.update(zip(map(id, call.outputs), outputs, strict=True))
        self._sequence.append(layer)
        if isinstance(call.operation, keras.layers.Layer):
            for before, after in zip(call.operation.weights, layer.weights, strict=True):
                after.assign(keras.ops.reshape(before, after.shape))

    def skip(self, call: Call) -> None:
        """Leave a layer out: its readers read what it read."""
        self.tensors[id(call.outputs[0])] = self.tensors[id(call.inputs[0])]

    def result(self, name: str) -> keras.Model:
        """The new model, sequential where the old one is."""
        inputs = [self.tensors[id(x)] for x in self.model.inputs]
        if isinstance(self.model, keras.Sequential):
            return same_kind(self.model, [inputs[0], *self._sequence], name)
        outputs = [self.tensors[id(x)] for x in self.model.outputs]
        info = getattr(self.model, "caffe", None)
        return CaffeFunctional(
            inputs if len(inputs) > 1 else inputs[0],
            outputs if len(outputs) > 1 else outputs[0],
            name=name,
            caffe=info and CaffeInfo(info.network, preprocessing=info.preprocessing),
        )
