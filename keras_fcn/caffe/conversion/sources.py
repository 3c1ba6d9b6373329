"""What a conversion reads: a network, and the weights that fit it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from keras_fcn.caffe.blobs.caffemodel import CaffeModel, read_caffemodel
from keras_fcn.caffe.errors import CaffeError, WeightsError
from keras_fcn.caffe.io.source import SourceFile
from keras_fcn.caffe.layers import UnknownLayer
from keras_fcn.caffe.net.assembly import load_network, network_of
from keras_fcn.caffe.net.fitting import fit_weights, shared_names, unknown_orders
from keras_fcn.caffe.net.network import Layer, Network
from keras_fcn.caffe.records import dataclass
from keras_fcn.caffe.words import either

Array = npt.NDArray[Any]

_SHOWN = 5


@dataclass(frozen=True)
class Source:
    """What is converted.

    Attributes:
        network: the network.
        weights: Caffe layer name -> its blobs, fitted to it.
        model: the weights file, as it was read; None: there is none.
    """

    network: Network
    weights: Mapping[str, list[Array]]
    model: CaffeModel | None = None

    @property
    def path(self) -> str:
        """The file that the report names."""
        return self.network.path if self.model is None else self.model.path

    @property
    def lacking(self) -> list[Layer]:
        """The layers that have weights, but not in the file."""
        return [x for x in self.network.layers if x.weight_shapes and x.name not in self.weights]

    def notes(self) -> list[str]:
        """What a user should know, one line each."""
        network, weights = self.network, self.weights
        read = () if self.model is None else self.model.notes
        notes = list(dict.fromkeys((*read, *network.notes, *shared_names(network, weights))))
        names = {layer.name for layer in network.layers}
        notes += [
            f"layer {name!r} of the caffemodel is not in {network.path}: left out"
            for name in self.model or ()
            if name not in names
        ]
        notes += [f"layer {layer.name!r} has no weights in {self.path}" for layer in self.lacking]
        notes += [
            f"layer {layer.name!r}: type {layer.type!r} is not known, its weights are kept "
            "in Caffe's layout"
            for layer in network.layers
            if layer.name in weights and isinstance(layer.params, UnknownLayer)
        ]
        return [*notes, *unknown_orders(network, weights)]

    def refuse_lacking(self) -> None:
        """Refuse a file that lacks weights.

        Raises:
            WeightsError: the layers are named.
        """
        if not self.lacking:
            return
        missing = [f"{layer.name!r} ({layer.type})" for layer in self.lacking]
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise WeightsError(
            f"{self.path} has no weights for {len(missing)} of the layers of {self.network.path} "
            f"that have some: {', '.join(missing[:_SHOWN])}{more}; "
            f"{either('partial=True', '--partial')} converts the others"
        )


def read(
    prototxt: str | Path | None,
    caffemodel: str | Path | SourceFile | None,
    rename: Mapping[str, str] | None,
    net: Mapping[str, Any],
) -> Source:
    """Read a network, and the weights that fit it.

    Args:
        prototxt: its definition; None: the layers that the caffemodel carries.
        caffemodel: its weights; None: it has none.
        rename: layer name in the caffemodel -> its name in the network.
        net: how the prototxt is read.

    Raises:
        CaffeError: a file is damaged, or the weights belong to another network.
        ValueError: there is neither, or nothing to choose without a prototxt.
    """
    if caffemodel is None:
        if prototxt is None:
            raise ValueError("a prototxt, or weights that carry their network, must be given")
        return Source(load_network(prototxt, max_bytes=None, **net), {})
    model = read_caffemodel(caffemodel, rename)
    network = _network(prototxt, model, net)
    return Source(network, fit_weights(network, model.in_own_numbers()), model)


def _network(prototxt: str | Path | None, model: CaffeModel, options: Mapping[str, Any]) -> Network:
    if prototxt is None:
        others = sorted(options.keys() - {"dialect"})
        if others:
            raise ValueError(f"without a prototxt there is no {', '.join(others)} to choose")
        return network_of(model, **options)
    layers = model.layers.items()
    shapes = {name: [blob.shape for blob in layer.blobs] for name, layer in layers}
    # Nothing is made here but what the weights file holds.
    return load_network(prototxt, shapes=shapes, max_bytes=None, **options)


def refuse_same_file(output: str | Path, *sources: str | Path | None) -> None:
    """Refuse to write over what is read.

    Raises:
        CaffeError: the output is one of the sources.
    """
    for source in sources:
        if source is not None and Path(output).exists() and Path(output).samefile(source):
            raise CaffeError(f"cannot write {output}: it is a file to be read; name another one")
