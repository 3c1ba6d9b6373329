"""Stretches of a network's layers: run, and differentiated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_fcn.builder import Built
from keras_fcn.caffe.net.network import Layer
from keras_fcn.core.model import CaffeFunctional
from keras_fcn.inference.inspection import pass_values
from keras_fcn.inference.probes import single
from keras_fcn.kept import layers_state, same_state

Key = tuple[str, int]
"""Key of a version of a blob; a layer that works in place makes a new one."""
Values = Mapping[Key, Any]
"""What versions of blobs hold, in Keras' order."""

UNREAD: Key = ("", 0)
"""The input of a network without inputs."""


class Stretch:
    """Layers that follow one another in a network, as Keras models that share its layers.

    Args:
        built: the network.
        first: index of the first layer.
        last: index of the last one.

    Attributes:
        layers: those that compute something.
        entering: versions of blobs that they read, and that layers before them make.
        made: those that they make, in order.
        read: those that they read.
    """

    def __init__(self, built: Built, first: int, last: int) -> None:
        self.layers = [x for x in built.network.layers[first : last + 1] if not x.is_source]
        self.training = built.network.state.phase == "TRAIN"
        self._tensors = built.tensors
        hook = next((blob.key for blob in built.network.inputs), UNREAD)
        self.made = [top.key for layer in self.layers for top in layer.tops]
        self.read = list(dict.fromkeys(b.key for layer in self.layers for b in layer.bottoms))
        own = {*self.made, *(x.key for layer in self.layers for x in layer.aliases)}
        needed = [key for layer in self.layers for key in _needed(layer, hook)]
        self.entering = [x for x in dict.fromkeys(needed) if x not in own and x in self._tensors]
        self._models: dict[tuple[Key, ...], CaffeFunctional] = {}
        self._gradients: dict[tuple[Key, ...], _Gradients] = {}

    def run(self, values: Values, wanted: Sequence[Key]) -> dict[Key, Any]:
        """Run the layers.

        Args:
            values: of the entering versions.
            wanted: the versions to give.
        """
        if not wanted:
            return {}
        given = [values[key] for key in self.entering]
        if len(set(map(type, given))) > 1:  # Keras takes tensors or arrays
            given = list(map(keras.ops.convert_to_tensor, given))
        inputs = single(given)
        found = pass_values(self._model(wanted), inputs, self.training)
        return dict(zip(wanted, found, strict=True))

    def gradients(
        self, values: Values, seeds: Values, variables: Sequence[Any]
    ) -> tuple[dict[Key, Any], list[Any]]:
        """Run the layers again, and differentiate them.

        Args:
            values: of the entering versions.
            seeds: gradients of versions that are made here, as far as layers behind tell.
            variables: the weights.

        Returns:
            Gradients of the versions that are read here, and of the weights.
        """
        inputs = [np.asarray(values[key]) for key in self.entering]
        targets = tuple(seeds)
        if not targets:
            return {}, []
        if targets not in self._gradients:
            self._gradients[targets] = _Gradients(self, targets)
        found = self._gradients[targets](inputs, list(seeds.values()), variables)
        return dict(zip(self.read, found, strict=False)), found[len(self.read) :]

    def _model(self, wanted: Sequence[Key]) -> CaffeFunctional:
        keys = tuple(wanted)
        if keys not in self._models:
            inputs = [self._tensors[key] for key in self.entering]
            outputs = [self._tensors[key] for key in keys]
            self._models[keys] = CaffeFunctional(single(inputs), outputs)
        return self._models[keys]

    @property
    def whole(self) -> CaffeFunctional:
        """The model of all versions that are made, or read behind that."""
        return self._model(self.inner)

    @property
    def inner(self) -> list[Key]:
        """The versions that do not enter."""
        keys = dict.fromkeys((*self.read, *self.made))
        return [key for key in keys if key not in self.entering]


class _Gradients:
    """A stretch differentiated from some versions; compiled where a size comes again."""

    def __init__(self, stretch: Stretch, targets: Sequence[Key]) -> None:
        self._stretch = stretch
        self._targets = targets
        self._model = stretch.whole
        self._state: list[Any] = []
        self._functions: dict[Any, Any] = {}

    def __call__(self, inputs: Sequence[Any], seeds: Sequence[Any], variables: Any) -> list[Any]:
        import tensorflow as tf

        tensors = list(map(tf.convert_to_tensor, inputs))
        weights = [variable.value for variable in variables]
        function = self._function([*tensors, *seeds], weights)
        return list(function(tensors, list(map(tf.convert_to_tensor, seeds))))

    def _function(self, given: Sequence[Any], weights: Sequence[Any]) -> Any:
        """The computation; the second time for some sizes, and from then on, it is compiled."""
        import tensorflow as tf

        state = [*layers_state(self._model), *weights]
        if not same_state(self._state, state):
            self._functions.clear()
            self._state = state
        key = tuple(tuple(x.shape) for x in given)
        run = self._eager(weights)
        if key not in self._functions:
            self._functions[key] = None
            return run
        if self._functions[key] is None:
            self._functions[key] = tf.function(run, autograph=False, jit_compile=False)
        return self._functions[key]

    def _eager(self, weights: Sequence[Any]) -> Any:
        import tensorflow as tf

        stretch, model = self._stretch, self._model

        def run(inputs: list[Any], seeds: list[Any]) -> list[Any]:
            with tf.GradientTape() as tape:
                tape.watch([*inputs, *weights])
                outputs = model(single(inputs), training=stretch.training)
            found = dict(zip(stretch.inner, keras.tree.flatten(outputs), strict=True))
            found |= dict(zip(stretch.entering, inputs, strict=True))
            gradients = tape.gradient(
                [found[key] for key in self._targets],
                [*(found[key] for key in stretch.read), *weights],
                output_gradients=seeds,
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
            return [tf.convert_to_tensor(each) for each in gradients]

        return run


def _needed(layer: Layer, hook: Key) -> list[Key]:
    """The versions that a layer is built on; one without bottoms hangs on the first input."""
    read = [blob.key for blob in (*layer.bottoms, *layer.overwritten)]
    return read or [hook]
