"""Weights files as Keras layers: their shapes, and their arrays on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


def name_order(stored: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Indices of a file's arrays in the order of a layer's weights, by the names of both.

    Keras writes the weights that are trained before those that are frozen, whatever their
    order in the layer. Where the names are not the same the order is that of the file.

    Args:
        stored: names in the file, such as `conv/kernel` or `conv_1/kernel:0`.
        wanted: paths of the layer's weights.
    """
    for name in (_within_layer, _last):
        found, own = list(map(name, stored)), list(map(name, wanted))
        if sorted(found) == sorted(own) and len(set(own)) == len(own):
            return [found.index(one) for one in own]
    return list(range(len(stored)))


def _within_layer(path: str) -> str:
    return path.partition("/")[2].partition(":")[0]


def _last(path: str) -> str:
    return path.rpartition("/")[2].partition(":")[0]


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
