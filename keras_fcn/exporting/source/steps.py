"""The calls of a model as data that code is made of."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.exporting.source.expressions import Arguments, Expressions, positional
from keras_fcn.exporting.stock.registry import is_stock
from keras_fcn.graph.calls import Call, calls
from keras_fcn.layers.tied import Tied


@dataclass(frozen=True)
class Tensor:
    """Stands for a symbolic tensor among arguments; `index` tells it from the others."""

    index: int


@dataclass(frozen=True)
class Step:
    """One call of a layer, or of a function of `keras.ops`.

    Attributes:
        path: the class or function as code.
        arguments: those of the class, or of the function; tensors are `Tensor`.
        positional: how many of them stand without names.
        given: what the layer is called on, lists of `Tensor` among it; () for a function.
        options: named arguments of the layer's call.
        outputs: the tensors made.
        caffe: Caffe's name of the layer, where Keras refuses it; else "".
        layer: name of the layer, which other layers may refer to.
        again: whether the layer has been called before.
        listed: whether it gives a list though it makes one tensor.
    """

    path: str
    arguments: Arguments
    positional: int
    given: tuple[Any, ...]
    options: Arguments
    outputs: tuple[Tensor, ...]
    caffe: str = ""
    layer: str = ""
    again: bool = False
    listed: bool = False

    @property
    def inputs(self) -> list[Tensor]:
        """The tensors that it reads."""
        leaves = keras.tree.flatten([self.given, self.options, list(self.arguments.values())])
        return [x for x in leaves if isinstance(x, Tensor)]


@dataclass(frozen=True)
class Steps:
    """A model's inputs, calls and outputs.

    Attributes:
        inputs: each input's tensor and its arguments of `keras.Input`.
        steps: the calls, each behind those that it reads from.
        outputs: the tensors that the model gives.
        named: layers that need a variable: they are called again, or others have their weights.
    """

    inputs: list[tuple[Tensor, Arguments]]
    steps: list[Step]
    outputs: list[Tensor]
    named: frozenset[str]


def steps_of(model: keras.Model, names: Mapping[str, str], expressions: Expressions) -> Steps:
    """Read a model.

    Args:
        model: functional, or sequential and built.
        names: Keras layer name -> Caffe's, where they differ.
        expressions: turns layers into code.

    Raises:
        UnsupportedLayerError: a layer cannot be written as code.
    """
    reader = _Reader(names, expressions)
    inputs, steps = [], []
    for call in calls(model):
        if isinstance(call.operation, keras.layers.InputLayer):
            inputs.append((reader.tensor(call.outputs[0]), _input(call.outputs[0])))
        else:
            steps.append(reader.step(call))
    order = [reader.tensor(x) for x in model.inputs]
    inputs.sort(key=lambda pair: order.index(pair[0]))
    again = {step.layer for step in steps if step.again}
    return Steps(
        inputs, steps, [reader.tensor(x) for x in model.outputs], frozenset(again | reader.owners)
    )


class _Reader:
    def __init__(self, names: Mapping[str, str], expressions: Expressions) -> None:
        self._names = names
        self._expressions = expressions
        self._tensors: dict[int, Tensor] = {}
        self._seen: Counter[str] = Counter()
        self.owners: set[str] = set()

    def tensor(self, x: Any) -> Tensor:
        return self._tensors.setdefault(id(x), Tensor(len(self._tensors)))

    def _read(self, arguments: Any) -> Any:
        return keras.tree.map_structure(
            lambda x: self.tensor(x) if isinstance(x, keras.KerasTensor) else x, arguments
        )

    def step(self, call: Call) -> Step:
        operation = call.operation
        place = f"layer {operation.name!r} ({type(operation).__name__})"
        outputs = tuple(self.tensor(x) for x in call.outputs)
        if not isinstance(operation, keras.layers.Layer):
            return self._function(call, place, outputs)
        if isinstance(operation, keras.Model):
            raise UnsupportedLayerError(f"{place}: a model inside a model is not written as code")
        path, arguments = self._made(operation, place)
        args, kwargs = self._read(call.arguments)
        self._seen[operation.name] += 1
        return Step(
            path,
            arguments,
            positional(type(operation), arguments),
            tuple(args),
            {k: x for k, x in kwargs.items() if x is not None and (k, x) != ("training", False)},
            outputs,
            self._names.get(operation.name, ""),
            operation.name,
            self._seen[operation.name] > 1,
            len(outputs) == 1 and not is_stock(operation) and _gives_a_list(call),
        )

    def _made(self, layer: Any, place: str) -> tuple[str, Arguments]:
        if not isinstance(layer, Tied):
            return self._expressions.constructor(layer, place)
        # Its configuration holds copies of the owners, which the code has in variables.
        self._expressions.roots.add("keras_fcn")
        owners = [(own, owner.name, theirs) for own, owner, theirs in layer.links]
        self.owners.update(name for _, name, _ in owners)
        inner = keras.saving.serialize_keras_object(layer.layer)
        links = [(own, Owner(name), theirs) for own, name, theirs in owners]
        path = f"{Tied.__module__}.{Tied.__qualname__}"
        return path, {"layer": inner, "owners": links, "name": layer.name}

    def _function(self, call: Call, place: str, outputs: tuple[Tensor, ...]) -> Step:
        """A function of `keras.ops`, whose operation Keras names after it."""
        operation = call.operation
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(operation).__name__).lower()
        function: Any = getattr(ops, name, None)
        args, kwargs = self._read(call.arguments)
        try:
            signature = inspect.signature(function)
            given = inspect.signature(operation.call).bind(*args, **kwargs).arguments
            own = {key: x for key, x in operation.get_config().items() if key != "name"}
            bound = signature.bind(**own, **given).arguments
        except TypeError as error:
            raise UnsupportedLayerError(
                f"{place}: this operation of Keras cannot be written as a function of keras.ops"
            ) from error
        self._expressions.roots.add("ops")
        defaults = {key: p.default for key, p in signature.parameters.items()}
        told = {key: x for key, x in bound.items() if key in given or x != defaults[key]}
        told = {key: x for key, x in told.items() if x is not defaults[key]}
        return Step(f"ops.{name}", told, positional(function, told), (), {}, outputs)


@dataclass(frozen=True)
class Owner:
    """Stands for the variable of a layer among arguments."""

    name: str


def _gives_a_list(call: Call) -> bool:
    args, kwargs = call.arguments
    return isinstance(call.operation.compute_output_spec(*args, **kwargs), list | tuple)


def _input(tensor: Any) -> Arguments:
    batch, *sizes = tensor.shape or (0,)
    key = "shape" if tensor.shape and batch is None else "batch_shape"
    dtype = {} if tensor.dtype == "float32" else {"dtype": tensor.dtype}
    shape = tuple(sizes) if key == "shape" else tuple(tensor.shape)
    return {key: shape, **dtype, "name": tensor.name}
