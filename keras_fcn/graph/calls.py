"""The calls a model makes, in order: what every walk over a Keras graph starts from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import keras

from keras_fcn.errors import ModelError, plain_reason
from keras_fcn.layers.eltwise import Eltwise
from keras_fcn.layers.known import own, own_method
from keras_fcn.layers.upsample import Upsample


class Call(NamedTuple):
    """One call of a layer (or another Keras operation) in a functional model.

    Attributes:
        operation: the layer.
        inputs: the symbolic tensors it reads.
        outputs: those it makes.
        arguments: everything it is called with, (args, kwargs).
    """

    operation: Any
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    arguments: tuple[tuple[Any, ...], dict[str, Any]]


def is_graph(model: keras.Model) -> bool:
    """Whether a model is what its graph says, not what a `call` of its own does."""
    return bool(getattr(model, "outputs", None)) and not own_method(model)


def check_graph(model: keras.Model) -> None:
    """Require that a model computes what its graph says.

    Raises:
        ModelError: it has a `call` of its own.
    """
    if getattr(model, "outputs", None) and (method := own_method(model)):
        raise ModelError(
            f"model {model.name!r} ({type(model).__name__}) {own(method)}; give what its layers "
            "compute: keras.Model(model.inputs, model.outputs)"
        )


def calls(model: keras.Model) -> Iterator[Call]:
    """Every call of a functional or sequential model, each after those it reads from.

    A model inside the model is one call.

    Raises:
        ValueError: the model is neither functional nor sequential and built.
    """
    done: set[int] = set()
    outputs = getattr(model, "outputs", None)
    if not outputs:
        raise ValueError(
            "the model must be functional, or sequential and built. "
            f"Received: {type(model).__name__} {model.name!r}"
        )
    starts = {id(tensor) for tensor in model.inputs}
    for tensor in (*model.inputs, *outputs):
        pending = [_node(tensor)]
        while pending:  # a stack, as deep nets would exhaust recursion
            node = pending[-1]
            before = [
                _node(x)
                for x in node.input_tensors
                if id(x) not in starts and id(_node(x)) not in done
            ]
            if before:
                pending.extend(before)
                continue
            pending.pop()
            if id(node) in done:
                continue
            done.add(id(node))
            arguments = (node.arguments.args, node.arguments.kwargs)
            yield Call(
                node.operation, tuple(node.input_tensors), tuple(node.output_tensors), arguments
            )


def shapes_at(
    model: keras.Model, sizes: Mapping[str, tuple[int | None, ...]]
) -> dict[int, tuple[int | None, ...]]:
    """The shapes of all tensors of a model for inputs of certain sizes; nothing is computed.

    Args:
        model: functional, or sequential and built.
        sizes: input name -> its shape, the batch included; others keep theirs.

    Returns:
        id of a tensor -> its shape.

    Raises:
        ModelError: a layer cannot take what it gets at these sizes.
    """
    specs: dict[int, Any] = {}
    for call in calls(model):
        if not call.inputs:
            (tensor,) = call.outputs
            shape = sizes.get(tensor.name, tensor.shape)
            specs[id(tensor)] = keras.KerasTensor(shape, dtype=tensor.dtype)
            continue
        args, kwargs = keras.tree.map_structure(
            lambda x: specs.get(id(x), x) if isinstance(x, keras.KerasTensor) else x,
            call.arguments,
        )
        try:
            _check_joined(call, [specs[id(x)].shape for x in call.inputs if id(x) in specs])
            outputs = keras.tree.flatten(call.operation.compute_output_spec(*args, **kwargs))
        except Exception as error:  # whatever a layer raises on sizes that do not fit
            raise ModelError(
                f"layer {call.operation.name!r} ({type(call.operation).__name__}) of "
                f"{model.name!r}: {plain_reason(error)}"
            ) from error
        specs.update(zip(map(id, call.outputs), outputs, strict=True))
    return {key: tuple(spec.shape) for key, spec in specs.items()}


def _check_joined(call: Call, shapes: Sequence[Sequence[int | None]]) -> None:
    """Require one size where maps are joined; Keras checks that for the first shapes only."""
    layer = call.operation
    if isinstance(layer, keras.layers.Concatenate):
        joined = {layer.axis % len(shapes[0])}
    elif isinstance(layer, Eltwise | Upsample):
        joined = set()
    else:
        return
    for axis, sizes in enumerate(zip(*shapes, strict=True)):
        if axis not in joined and len({*sizes} - {None}) > 1:
            raise ValueError(f"it cannot join {', '.join(map(str, map(tuple, shapes)))}")


def _node(tensor: Any) -> Any:
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index]
