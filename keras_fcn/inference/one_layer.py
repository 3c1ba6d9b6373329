"""One layer by itself, built and run by the builder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_fcn.builder import built
from keras_fcn.caffe.definition import LayerDefinition, NetDefinition
from keras_fcn.caffe.layers.base import Array
from keras_fcn.caffe.net.input_shapes import with_input_shapes
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.net.reading import Reading
from keras_fcn.core.held import Held
from keras_fcn.inference.inspection import to_caffe_order, to_channels_last

_KEPT = 8
"""Built layers that are kept, for other parameters and bottoms of the same shapes."""


class OneLayer:
    """Computes single layers of a network.

    Args:
        network: the network whose layers they are: its state and dialect hold for them.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._training = network.state.phase == "TRAIN"
        self._models: dict[Any, tuple[Layer, keras.Model]] = {}

    def __call__(
        self, layer: Layer, blobs: Sequence[Array], bottoms: Sequence[Array]
    ) -> list[Array]:
        """The tops of a layer, in Caffe's axis order.

        Args:
            layer: the layer; its `params` count, whatever its definition says.
            blobs: its parameters in Caffe's layout.
            bottoms: what it reads, in Caffe's axis order, with the batch.

        Raises:
            CaffeError: such a layer cannot be built, or cannot take what it is to read.
        """
        own, model = self._built(layer, blobs, bottoms)
        if blobs:
            Held(own, model.get_layer(own.keras_name)).set(list(blobs))
        read = [np.ascontiguousarray(to_channels_last(x), np.float32) for x in bottoms]
        made = model(read or np.zeros(1, np.float32), training=self._training)
        arrays = map(keras.ops.convert_to_numpy, keras.tree.flatten(made))
        return [np.ascontiguousarray(to_caffe_order(x)) for x in arrays]

    def _built(
        self, layer: Layer, blobs: Sequence[Array], bottoms: Sequence[Array]
    ) -> tuple[Layer, keras.Model]:
        """The layer in a network of its own and its model; the last ones are kept."""
        shapes = tuple(tuple(x.shape for x in arrays) for arrays in (blobs, bottoms))
        key = (layer.name, repr(layer.params), shapes)
        if key not in self._models:
            network = self._alone(layer, blobs, bottoms)
            own, whole = network.layers[-1], built(network)
            # Keras' own model, as ours compiles what it runs again.
            tops = [whole.tensors[top.key] for top in own.tops]
            self._models[key] = own, keras.Model(whole.model.inputs, tops)
        if len(self._models) > _KEPT:
            del self._models[next(iter(self._models))]
        self._models[key] = self._models.pop(key)
        return self._models[key]

    def _alone(self, layer: Layer, blobs: Sequence[Array], bottoms: Sequence[Array]) -> Network:
        inputs = [
            with_input_shapes(
                LayerDefinition(f"{layer.name}/input{i}", "Input", tops=(f"bottom{i}",)), [x.shape]
            )
            for i, x in enumerate(bottoms)
        ]
        own = replace(
            layer.definition,
            bottoms=tuple(f"bottom{i}" for i in range(len(bottoms))),
            tops=tuple(f"top{i}" for i in range(len(layer.tops))),
            param_specs=(),
            include=(),
            exclude=(),
            phase=None,
        )
        reading = Reading(
            state=self.network.state,
            dialect=self.network.dialect,
            shapes={layer.name: [blob.shape for blob in blobs]},
        )
        definition = NetDefinition(self.network.name, (*inputs, own))
        network = Network.of(definition, reading, path=layer.path)
        read = network.layers[-1]
        return (
            network if read.params == layer.params else network.replace(read, params=layer.params)
        )
