"""Weights files as Keras layers: their shapes, and their arrays on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from keras_fcn.caffe.blobs.keras_hdf5 import WeightsFile
from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.names import renamed
from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.text.prototxt import parse_net
from keras_fcn.core.stock_layers import CaffeLayers

Shapes = list[tuple[int, ...]]


@dataclass(frozen=True)
class Source:
    """A weights file as Keras layers: their shapes, and their arrays on demand.

    `names` gives the names of a layer's arrays, `extra` the arrays of weights that Keras'
    own layer of the kind lacks. `flat` are layers whose dense kernel has its inputs in Caffe's
    order (channels, height, width), as the map that they read is not known.
    """

    path: str
    shapes: Mapping[str, Shapes]
    arrays: Callable[[str], list[np.ndarray]]
    names: Callable[[str], list[str]]
    extra: Callable[[str], list[np.ndarray]]
    caffe: CaffeLayers
    flat: frozenset[str] = frozenset()

    def named(self, key: str) -> dict[str, np.ndarray]:
        """A layer's arrays by their names."""
        return dict(zip(self.names(key), self.arrays(key), strict=True))


def keras_source(path: str, file: WeightsFile, rename: Mapping[str, str]) -> Source:
    """A by-name Keras file; `rename` is layer name in the file -> the name to give it."""
    try:
        old = {new: name for name, new in renamed(file, rename).items()}
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from error
    return Source(
        path,
        {name: file.shapes(old[name]) for name in old},
        lambda name: file[old[name]],
        lambda name: file.weight_names(old[name]),
        lambda name: file.extra(old[name]),
        _described(file, old),
    )


def _described(file: WeightsFile, old: Mapping[str, str]) -> CaffeLayers:
    """Facts of the converter's file about Caffe's layers; empty for any other file."""
    text = file.text("prototxt")
    if text is None:
        return CaffeLayers()
    names = {key: file.caffe_name(old[key]) for key in old}
    net = parse_net(text, f"the prototxt in {file.path}").definition
    return CaffeLayers.read(net, {name: key for key, name in names.items() if name is not None})


def caffe_source(path: str, network: Network, blobs: Mapping[str, list[np.ndarray]]) -> Source:
    """Blobs of a network's layers, by their names in Caffe."""
    layers = {layer.keras_name: layer for layer in network.layers if layer.name in blobs}
    weights = {name: layer.keras_weights(blobs[layer.name]) for name, layer in layers.items()}
    return Source(
        path,
        {
            name: [weight.shape for weight in group if weight.listed]
            for name, group in weights.items()
        },
        lambda name: [weight.array() for weight in weights[name] if weight.listed],
        lambda name: [weight.name for weight in weights[name] if weight.listed],
        lambda name: [weight.array() for weight in weights[name] if not weight.listed],
        CaffeLayers.read(network.definition, {x.name: key for key, x in layers.items()}),
    )
