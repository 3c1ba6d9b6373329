"""Parameters that several layers share, by the names in their `param` specs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import keras
import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.net.network import Layer
from keras_fcn.layers.tied import Tied


class Sharing:
    """Remembers who owns a shared parameter, and ties later layers to it.

    Args:
        living: keys of the blobs that the model holds. Layers that make none of them own
            nothing: the model would not have their weights.
    """

    def __init__(self, living: Collection[tuple[str, int]]) -> None:
        self._living = living
        self._owners: dict[str, tuple[Layer, int, keras.layers.Layer]] = {}

    def tie(self, layer: Layer, tops: tuple[Any, ...]) -> tuple[Any, ...]:
        """The tops of a layer, made with shared parameters where it shares any.

        Raises:
            UnsupportedLayerError: the two layers keep the parameter in another order.
        """
        names = {i: spec.name for i, spec in enumerate(layer.param_specs) if spec.name}
        if not names or not any(blob.key in self._living for blob in layer.tops):
            return tops
        keras_layer = tops[0]._keras_history.operation
        if keras_layer.name != layer.keras_name:
            raise UnsupportedLayerError("shared parameters are not built for this type")
        links = []
        for index, name in names.items():
            owner = self._owners.setdefault(name, (layer, index, keras_layer))
            if owner == (layer, index, keras_layer):
                continue
            if owner[0] is layer:
                raise UnsupportedLayerError(f"two parameters of one layer share the name {name!r}")
            if not np.array_equal(_order(layer, index), _order(*owner[:2])):
                raise UnsupportedLayerError(
                    f"param {name!r} is shared with layer {owner[0].name!r}, which keeps its "
                    "numbers in another order in Keras"
                )
            links.append((index, owner[2], owner[1]))
        if not links:
            return tops
        outputs = Tied(keras_layer, links, name=layer.keras_name)(keras_layer.input)
        return tuple(outputs) if isinstance(outputs, list | tuple) else (outputs,)


def _order(layer: Layer, index: int) -> np.ndarray:
    """Position of a Caffe blob's numbers in the Keras weight."""
    shapes = [tuple(size or 1 for size in shape) for shape in layer.weight_shapes or ()]
    blobs = [np.arange(np.prod(shape)).reshape(shape) for shape in shapes]
    return layer.keras_weights(blobs)[index].array().ravel()
