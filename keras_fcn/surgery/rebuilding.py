"""A model rebuilt call by call, so that surgery can exchange layers on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_fcn.core.blob_names import carried
from keras_fcn.core.card import Card, card_of
from keras_fcn.core.copies import copy_weights
from keras_fcn.core.model import CaffeFunctional, CaffeSequential
from keras_fcn.errors import ModelError, plain_reason
from keras_fcn.graph.calls import Call, check_graph
from keras_fcn.layers.known import exchanged, own


class Rebuild:
    """The new graph so far.

    Attributes:
        model: the old model.
        tensors: id of an old tensor -> the new one.
        layers: id of an old layer -> the new one.

    Raises:
        ModelError: the model is one of a SavedModel, which has no layers.
    """

    def __init__(self, model: keras.Model) -> None:
        if any(isinstance(layer, keras.layers.TFSMLayer) for layer in model.layers):
            raise ModelError(
                "a SavedModel has no layers to rebuild; give the model it was made from. "
                f"Received: {model.name!r}"
            )
        check_graph(model)
        self.model = model
        self.tensors: dict[int, Any] = {}
        self.layers: dict[int, Any] = {}
        self._sequence: list[Any] = []
        self._forms: dict[int, str] = {}

    def start(self, call: Call, shape: tuple[int | None, ...]) -> None:
        """Make the new input for an old one."""
        (old,) = call.outputs
        self.tensors[id(old)] = keras.Input(shape, name=call.operation.name, dtype=old.dtype)

    def copy(self, operation: Any) -> Any:
        """The layer's twin with its own weights; operations without weights serve again."""
        if not isinstance(operation, keras.layers.Layer):
            return operation
        return self.twin(operation, type(operation), operation.get_config())

    def twin(
        self, old: Any, cls: type[keras.layers.Layer], config: dict[str, Any], order: str = ""
    ) -> Any:
        """The new layer for an old one, made when it is first asked for.

        Args:
            old: the old layer.
            cls: the new one's class.
            config: its configuration.
            order: the order of its weights, where it is not the old one's.

        Raises:
            ModelError: the old layer is used again, where it would need another twin; or it has
                a method that its class lacks, which no twin would have.
        """
        if found := exchanged(old):
            part, method = found
            raise self.refused_layer(part, own(method))
        form = f"{cls} {config} {order}"
        if self._forms.setdefault(id(old), form) != form:
            raise ModelError(
                f"layer {old.name!r} ({type(old).__name__}) of {self.model.name!r} is used in "
                "several places, which need its weights in different forms; give each its own layer"
            )
        if id(old) not in self.layers:
            try:
                self.layers[id(old)] = cls.from_config(config)
            except (TypeError, ValueError) as error:
                raise self.refused_layer(old, plain_reason(error)) from error
        return self.layers[id(old)]

    def apply(self, call: Call, layer: Any, weights: Sequence[Any] | None = None) -> None:
        """Call a new layer as the old one was; the weights come along, reshaped.

        Args:
            call: the old layer's call.
            layer: the new layer.
            weights: its weights, where they are not the old one's.

        Raises:
            ModelError: the layer cannot take what is before it now.
        """
        args, kwargs = keras.tree.map_structure(
            lambda x: self.tensors.get(id(x), x) if isinstance(x, keras.KerasTensor) else x,
            call.arguments,
        )
        try:
            outputs = keras.tree.flatten(layer(*args, **kwargs))
        except Exception as error:  # whatever a layer raises that is built for another input
            raise self.refused_layer(call.operation, plain_reason(error)) from error
        self.tensors.update(zip(map(id, call.outputs), outputs, strict=True))
        self._sequence.append(layer)
        if isinstance(call.operation, keras.layers.Layer):
            given = call.operation.weights if weights is None else weights
            if len(given) != len(layer.weights):
                raise self.refused_layer(
                    call.operation,
                    f"has {len(given)} weights, but {len(layer.weights)} by its configuration",
                )
            copy_weights(given, layer.weights)
            if hasattr(layer, "finalize_state"):  # Normalization keeps what it adapted to twice
                layer.finalize_state()

    def refused_layer(self, layer: Any, why: str) -> ModelError:
        """The error that names a layer."""
        return ModelError(
            f"{type(layer).__name__}: {why}. Received: layer {layer.name!r} of {self.model.name!r}"
        )

    def skip(self, call: Call) -> None:
        """Leave a layer out: its readers read what it read."""
        self.tensors[id(call.outputs[0])] = self.tensors[id(call.inputs[0])]

    def result(self, name: str) -> keras.Model:
        """The new model, sequential where the old one is."""
        inputs = [self.tensors[id(x)] for x in self.model.inputs]
        news = ((old.name, self.layers.get(id(old), old).name) for old in self.model.layers)
        renamed = {old: new for old, new in news if old != new}
        if isinstance(self.model, keras.Sequential):
            chain = CaffeSequential([inputs[0], *self._sequence], name=name)
            return self._with_card(chain, renamed)
        outputs = [self.tensors[id(x)] for x in self.model.outputs]
        new = CaffeFunctional(
            inputs if len(inputs) > 1 else inputs[0],
            outputs if len(outputs) > 1 else outputs[0],
            name=name,
        )
        return self._with_card(new, renamed)

    def _with_card(self, new: keras.Model, renamed: Mapping[str, str]) -> keras.Model:
        new.card = self.card(new, card_of(self.model), carried(self.model, new, renamed))
        return new

    def card(self, new: keras.Model, card: Card, places: Mapping[str, Any]) -> Card:
        """The part of the old model's card that holds for the new one; each operation knows.

        Args:
            new: the new model.
            card: the old model's.
            places: see `keras_fcn.core.blob_names.carried`.
        """
        raise NotImplementedError
