"""One layer by itself, built and run by the builder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from keras_fcn.builder import build_model
from keras_fcn.caffe.definition import LayerDefinition, NetDefinition
from keras_fcn.caffe.net.input_shapes import with_input_shapes
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.net.reading import Reading
from keras_fcn.inference.inspection import blobs as blobs_of
from keras_fcn.pycaffe.held import Held
from keras_fcn.verifying.report import Array


class OneLayer:
    """Computes single layers of a network.

    Args:
        network: the network whose layers they are: its state and dialect hold for them.
    """

    def __init__(self, network: Network) -> None:
        self._network = network

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
        network = self._alone(layer, blobs, bottoms)
        own = network.layers[-1]
        model = build_model(network)
        if blobs:
            Held(own, model.get_layer(own.keras_name)).set(list(blobs))
        inputs = {f"bottom{i}": np.asarray(x, np.float32) for i, x in enumerate(bottoms)}
        found = blobs_of(model, inputs)
        return [found[top.name] for top in own.tops]

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
            state=self._network.state,
            dialect=self._network.dialect,
            shapes={layer.name: [blob.shape for blob in blobs]},
        )
        definition = NetDefinition(self._network.name, (*inputs, own))
        network = Network.of(definition, reading, path=layer.path)
        read = network.layers[-1]
        return (
            network if read.params == layer.params else network.replace(read, params=layer.params)
        )
