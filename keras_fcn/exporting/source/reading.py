"""The calls of a model, read as steps."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.exporting.source.arguments import Arguments, positional
from keras_fcn.exporting.source.expressions import Expressions
from keras_fcn.exporting.source.steps import Owner, Step, Steps, Tensor
from keras_fcn.exporting.stock.registry import is_stock
from keras_fcn.graph.calls import Call, calls
from keras_fcn.layers.tied import Tied


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
    outputs = [reader.tensor(x) for x in model.outputs]
    steps = _in_reading_order(steps, outputs)
    uses = Counter(step.layer for step in steps if step.given)
    again = {layer for layer, count in uses.items() if count > 1}
    owners = {name for step in steps for name in step.owners}
    return Steps(inputs, steps, outputs, frozenset(again | owners))


def _in_reading_order(steps: Sequence[Step], outputs: Sequence[Tensor]) -> list[Step]:
    """Each step behind those that it needs: what it reads, the first first, and owners."""
    makers = {tensor: step for step in steps for tensor in step.outputs}
    owners = {step.layer: step for step in reversed(steps)}
    ordered: dict[int, Step] = {}
    opened: set[int] = set()
    pending = [makers[x] for x in reversed(outputs) if x in makers]
    while pending:  # a stack, as deep nets would exhaust recursion
        step = pending[-1]
        needs = [makers[x] for x in step.inputs if x in makers]
        needs += [owners[name] for name in sorted(step.owners) if name in owners]
        before = [x for x in needs if id(x) not in ordered]
        missing = step.owners - owners.keys()
        if missing or any(id(x) in opened for x in before):
            named = ", ".join(map(repr, sorted(missing or step.owners)))
            raise UnsupportedLayerError(
                f"layer {step.layer!r}: the model makes the layer whose weights it uses, {named}, "
                "behind it or not at all"
            )
        if before:
            opened.add(id(step))
            pending += reversed(before)
        else:
            ordered.setdefault(id(step), pending.pop())
    return [*ordered.values()]


class _Reader:
    def __init__(self, names: Mapping[str, str], expressions: Expressions) -> None:
        self._names = names
        self._expressions = expressions
        self._tensors: dict[int, Tensor] = {}

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
        return Step(
            path,
            arguments,
            positional(type(operation), arguments),
            tuple(args),
            {k: x for k, x in kwargs.items() if x is not None and (k, x) != ("training", False)},
            outputs,
            self._names.get(operation.name, ""),
            operation.name,
            len(outputs) == 1 and not is_stock(operation) and _gives_a_list(call),
        )

    def _made(self, layer: Any, place: str) -> tuple[str, Arguments]:
        if not isinstance(layer, Tied):
            return self._expressions.constructor(layer, place)
        # Its configuration holds copies of the owners, which the code has in variables.
        self._expressions.roots.add("keras_fcn")
        inner = keras.saving.serialize_keras_object(layer.layer)
        links = [(own, Owner(owner.name), theirs) for own, owner, theirs in layer.links]
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
        told = {  # what is given may be an array, which has no one truth
            key: x
            for key, x in bound.items()
            if x is not defaults[key] and (key in given or x != defaults[key])
        }
        return Step(f"ops.{name}", told, positional(function, told), (), {}, outputs)


def _gives_a_list(call: Call) -> bool:
    args, kwargs = call.arguments
    return isinstance(call.operation.compute_output_spec(*args, **kwargs), list | tuple)


def _input(tensor: Any) -> Arguments:
    batch, *sizes = tensor.shape or (0,)
    key = "shape" if tensor.shape and batch is None else "batch_shape"
    dtype = {} if tensor.dtype == "float32" else {"dtype": tensor.dtype}
    shape = tuple(sizes) if key == "shape" else tuple(tensor.shape)
    return {key: shape, **dtype, "name": tensor.name}
