"""A model with Keras' own layers in the place of equal ones of this package."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.words import either
from keras_fcn.core.card import card_of
from keras_fcn.core.copies import copy_weights
from keras_fcn.exporting.stock import forms, windows  # noqa: F401  each registers its forms
from keras_fcn.exporting.stock.registry import FORMS, Form, is_stock
from keras_fcn.graph.calls import Call, calls
from keras_fcn.layers.known import exchanged
from keras_fcn.layers.tied import Tied
from keras_fcn.surgery.rebuilding import Rebuild

_PACKAGE = "keras_fcn"


def stock_model(
    model: keras.Model,
    input_shapes: Mapping[str, tuple[int | None, ...]] | None = None,
) -> keras.Model:
    """The model of Keras' own classes alone, with the same weights.

    Args:
        model: a functional or sequential model.
        input_shapes: input name -> its shape in Keras, the batch included, in place of the
            model's: some layers have a stock form for a known size alone.

    Raises:
        UnsupportedLayerError: layers, which are named, have no stock form.
    """
    new = with_stock_layers(model, input_shapes)
    operations = getattr(new, "operations", new.layers)  # functions of Keras among them
    left = [x for x in operations if not is_stock(x) or _holds_ours(x.get_config())]
    if left:
        named = ", ".join(f"{x.name!r} ({type(x).__name__})" for x in left)
        open_size = any(None in x.shape[1:] for x in new.inputs)
        size = either("input_shapes", "--size HxW")
        hint = f"; with a fixed input size some may have one: give {size}" if open_size else ""
        raise UnsupportedLayerError(
            f"model {model.name!r} has layers that Keras itself lacks: {named}{hint}"
        )
    return new


def with_stock_layers(
    model: keras.Model,
    input_shapes: Mapping[str, tuple[int | None, ...]] | None = None,
    *,
    by_name: bool = False,
) -> keras.Model:
    """The model with stock layers where there are equal ones; the others stay as they are.

    Args:
        model: as for `stock_model`.
        input_shapes: as for `stock_model`.
        by_name: only layers that hold the weights as the converter's `.h5` does.
    """
    sizes = dict(input_shapes or {})
    rebuild = _StockRebuild(model, by_name)
    for call in calls(model):
        if isinstance(call.operation, keras.layers.InputLayer):
            rebuild.start(call, sizes.pop(call.operation.name, call.outputs[0].shape))
        else:
            rebuild.exchange(call)
    if sizes:
        names = ", ".join(repr(x.name) for x in model.inputs)
        raise ValueError(f"the inputs are {names}. Received: input_shapes for {[*sizes]}")
    return rebuild.result(model.name)


class _StockRebuild(Rebuild):
    """Exchanges layers on the way; the result is of Keras' own model classes."""

    def __init__(self, model: keras.Model, by_name: bool) -> None:
        super().__init__(model)
        self._by_name = by_name
        self._frozen = Counter(layer for layer, _ in card_of(model).frozen)
        self._uses = Counter(id(call.operation) for call in calls(model))
        tied = (layer for layer in model.layers if isinstance(layer, Tied))
        self._owners = {owner.name for layer in tied for _, owner, _ in layer.links}

    def start(self, call: Call, shape: tuple[int | None, ...]) -> None:
        (old,) = call.outputs
        self.tensors[id(old)] = keras.Input(
            batch_shape=shape, name=call.operation.name, dtype=old.dtype
        )

    def exchange(self, call: Call) -> None:
        """Call the stock form of the layer, or its twin."""
        form = self._form(call)
        if form is None:
            self.apply(call, self.copy(call.operation))
            return
        made = self._argument(call)
        for step in form.steps:
            made = step(made)
            self._sequence.append(step)
        for tensor, new in zip(call.outputs, keras.tree.flatten(made), strict=True):
            self.tensors[id(tensor)] = new
        weights = [w for step in form.steps for w in getattr(step, "weights", ())]
        given = call.operation.weights if form.weights is None else form.weights
        copy_weights(given, weights)

    def copy(self, operation: Any) -> Any:
        if not isinstance(operation, keras.layers.Layer):
            return operation
        try:
            config = operation.get_config()
        except NotImplementedError as error:
            raise self.refused_layer(operation, "its class has no get_config") from error
        config = {
            k: v for k, v in config.items() if not (k.endswith("initializer") and _is_ours(v))
        }
        if self._is_frozen(operation):
            config["trainable"] = False
        return self.twin(operation, type(operation), config)

    def _form(self, call: Call) -> Form | None:
        layer = call.operation
        find = FORMS.get(type(layer))
        if find is None or self._uses[id(layer)] > 1 or exchanged(layer):
            return None
        form = find(layer, self._argument(call))
        if form is None or (self._by_name and not form.by_name):
            return None
        if form.weights is not None and layer.name in self._owners:  # others count its weights
            return None
        if self._is_frozen(layer):
            for step in form.steps:
                if isinstance(step, keras.layers.Layer):
                    step.trainable = False
        return form

    def _is_frozen(self, layer: Any) -> bool:
        """Whether each weight of it is frozen by itself, as the card tells."""
        return 0 < len(layer.weights) == self._frozen[layer.name]

    def _argument(self, call: Call) -> Any:
        """What the layer is called on, in the new graph."""
        (old,), _ = call.arguments
        return keras.tree.map_structure(lambda x: self.tensors[id(x)], old)

    def result(self, name: str) -> keras.Model:
        inputs = [self.tensors[id(x)] for x in self.model.inputs]
        outputs = [self.tensors[id(x)] for x in self.model.outputs]
        for layer in self.layers.values():
            if isinstance(layer, Tied):
                layer.relink([*self.layers.values()])
        if self._is_chain(inputs, outputs):
            return keras.Sequential([inputs[0], *self._sequence], name=name)
        return keras.Model(
            inputs if len(inputs) > 1 else inputs[0],
            outputs if len(outputs) > 1 else outputs[0],
            name=name,
        )

    def _is_chain(self, inputs: list[Any], outputs: list[Any]) -> bool:
        """Whether each step is a layer on what the one before it made, and nothing else."""
        layers = all(isinstance(step, keras.layers.Layer) for step in self._sequence)
        if not layers or len(inputs) != 1 or len(outputs) != 1 or not self._sequence:
            return False
        before = inputs[0]
        for step in self._sequence:
            node = step._inbound_nodes[0]
            alone = len(step._inbound_nodes) == 1 and len(node.output_tensors) == 1
            if not alone or [id(x) for x in node.input_tensors] != [id(before)]:
                return False
            before = node.output_tensors[0]
        return before is outputs[0]


def _is_ours(value: Any) -> bool:
    """Whether a value of a configuration describes an object of this package."""
    return isinstance(value, Mapping) and str(value.get("registered_name")).startswith(_PACKAGE)


def _holds_ours(config: Any) -> bool:
    """Whether any part of a configuration is of another package than Keras."""
    return any(
        isinstance(part, Mapping) and part.get("registered_name") is not None
        for part in _parts(config)
    )


def _parts(value: Any) -> Iterator[Any]:
    yield value
    inside = value.values() if isinstance(value, Mapping) else value
    if isinstance(value, Mapping | list | tuple):
        for part in inside:
            yield from _parts(part)
