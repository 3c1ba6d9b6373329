"""A layer that uses parameters of another one (Caffe's `param { name: ... }`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import keras
from keras import ops

from keras_fcn.layers._base import CaffeLayer


class _Owners:
    """Layers kept out of Keras' tracking: their weights are not the tied layer's own."""

    def __init__(self, links: Sequence[tuple[int, keras.layers.Layer, int]]) -> None:
        self.links = [(own, owner, theirs) for own, owner, theirs in links]


@keras.saving.register_keras_serializable(package="keras_fcn")
class Tied(CaffeLayer):
    """Runs a layer with some of its weights replaced by those of other layers.

    Gradients go to the owners. The replaced weights of the layer itself stay where
    they are, so that weights files load by name, but are neither used nor trained.

    Args:
        layer: the layer to run.
        owners: (index of a weight of `layer`, owning layer, index of its weight);
            both weights hold the same numbers in the same order, in any shape.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        What `layer` takes.

    Output shape:
        What `layer` gives.
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        owners: Sequence[tuple[int, keras.layers.Layer, int]],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.layer = layer
        self._owners = _Owners(owners)

    def relink(self, layers: Sequence[keras.layers.Layer]) -> None:
        """Find owners among a model's layers, by their names, where they were only copied.

        Cloning and HDF5 files make each layer by itself, and an owner once more with it.
        """
        real, names = {id(layer) for layer in layers}, {layer.name: layer for layer in layers}

        def found(owner: keras.layers.Layer) -> keras.layers.Layer:
            if id(owner) in real:
                return owner
            return names.get(owner.name) or names.get(f"{owner.name}-conv") or owner

        links = self._owners.links
        self._owners = _Owners([(own, found(owner), theirs) for own, owner, theirs in links])

    @property
    def links(self) -> list[tuple[int, keras.layers.Layer, int]]:
        """The argument `owners`, as the model's layers stand now."""
        return self._owners.links

    @property
    def used_weights(self) -> list[Any]:
        """The weights in the layer's order, the owners' in the place of replaced ones."""
        weights = list(self.layer.weights)
        for own, owner, theirs in self._owners.links:
            weights[own] = owner.weights[theirs]
        return weights

    @property
    def non_trainable_weights(self) -> list[Any]:
        """The weights that the layer shows itself, see `keras_fcn.layers.BatchNorm`."""
        shown = {id(w) for w in (*self.layer.trainable_weights, *self.layer.non_trainable_weights)}
        return [weight for weight in super().non_trainable_weights if id(weight) in shown]

    def build(self, input_shape: Any) -> None:
        """Build the layer, and freeze what it does not use."""
        if not self.layer.built:
            self.layer.build(input_shape)
        for own, _, _ in self._owners.links:
            self.layer.weights[own].trainable = False

    def call(self, inputs: Any) -> Any:
        """The layer's output, with the owners' weights."""
        mapping = []
        for own, owner, theirs in self._owners.links:
            variable = self.layer.weights[own]
            shared = ops.reshape(owner.weights[theirs], variable.shape)
            mapping.append((variable, ops.convert_to_tensor(shared)))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            outputs = self.layer(inputs)
        self._keep_state(scope, {id(variable): value for variable, value in mapping})
        return outputs

    def _keep_state(self, scope: keras.StatelessScope, given: dict[int, Any]) -> None:
        """Assign in earnest the values that the layer assigned to its variables in the scope."""
        used = self.used_weights
        for index, variable in enumerate(self.layer.weights):
            value = scope.get_current_value(variable)
            if value is not None and value is not given.get(id(variable)):
                used[index].assign(ops.reshape(value, used[index].shape))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The layer's."""
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """The layers; Keras stores one that stands in several places once."""
        serialize = keras.saving.serialize_keras_object
        owners = [[own, serialize(owner), theirs] for own, owner, theirs in self._owners.links]
        return {**super().get_config(), "layer": serialize(self.layer), "owners": owners}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The inverse of `get_config`."""
        config = dict(config)
        restore = keras.saving.deserialize_keras_object
        layer = restore(config.pop("layer"))
        owners = [(own, restore(owner), theirs) for own, owner, theirs in config.pop("owners")]
        return cls(layer, owners, **config)
