"""The parameters that a solver updates, in the order of Caffe's history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import Array
from keras_fcn.caffe.layers.normalization import BatchNorm, ScaledBatchNorm
from keras_fcn.caffe.net.network import Layer, ParamSpec
from keras_fcn.caffe.net.sharing import Place, shared_places
from keras_fcn.solver.nets import RunNet
from keras_fcn.training.networks import Multipliers

__all__ = ["Learnable", "learnables", "to_caffe", "to_keras"]

_STATISTICS = 3


@dataclass(frozen=True)
class Learnable:
    """A parameter blob that a layer owns.

    Attributes:
        layer: its layer.
        index: which of the layer's blobs it is.
        variable: the Keras variable that holds it.
        shape: Caffe's.
        multipliers: `lr_mult` and `decay_mult`.
        statistic: whether it is one of a BatchNorm's, which Keras holds as an average, and
            Caffe as a sum.
    """

    layer: Layer
    index: int
    variable: Any
    shape: tuple[int, ...]
    multipliers: Multipliers
    statistic: bool = False

    @property
    def trained(self) -> bool:
        """Whether it has a rate, and so a gradient."""
        return self.multipliers.rate != 0 and not self.statistic

    @property
    def place(self) -> Place:
        """Its layer's name, and which of the layer's blobs it is."""
        return self.layer.name, self.index


def learnables(net: RunNet) -> list[Learnable]:
    """The parameters of a net as Caffe orders them: by layer, a shared one at its owner.

    Raises:
        NetworkError: layers that share a parameter give it different multipliers.
    """
    shared = shared_places(net.network)
    specs: dict[Place, ParamSpec] = {}
    found: dict[Place, Learnable] = {}
    for layer in net.network.layers:
        if layer.name not in net.params:
            continue
        variables = _in_blob_order(layer, net.params.variables(layer.name))
        for index, param in enumerate(net.params[layer.name]):
            own: Place = (layer.name, index)
            place = shared.get(own, own)
            spec = (*layer.param_specs, *[ParamSpec()] * (index + 1))[index]
            statistic = isinstance(layer.params, BatchNorm) and index < _STATISTICS
            if place in found:
                specs[place] = _shared(specs[place], spec, found[place].layer, layer)
                if not found[place].statistic:
                    rates = Multipliers(specs[place].lr_mult, specs[place].decay_mult)
                    found[place] = replace(found[place], multipliers=rates)
                continue
            rates = Multipliers(0.0 if statistic else spec.lr_mult, spec.decay_mult)
            specs[place] = spec
            found[place] = Learnable(
                layer, index, variables[index], tuple(param.shape), rates, statistic
            )
    return list(found.values())


def _shared(first: ParamSpec, spec: ParamSpec, owner: Layer, layer: Layer) -> ParamSpec:
    """A shared parameter's, of whose layers each may give the multipliers, or none.

    Source: `Net::AppendParam` of BVLC Caffe 1.0: what is given must agree, be it the default.
    """
    for name in ("lr_mult", "decay_mult"):
        if name not in spec.given:
            continue
        ours, theirs = getattr(first, name), getattr(spec, name)
        if name in first.given and ours != theirs:
            raise NetworkError(
                f"{layer.place}: shares param {spec.name!r} with layer {owner.name!r}, whose "
                f"{name} is {ours:g}; here it is {theirs:g}"
            )
        first = replace(first, **{name: theirs}, given=first.given | {name})
    return first


def _in_blob_order(layer: Layer, variables: Sequence[Any]) -> list[Any]:
    """A layer's variables in the order of its blobs: Keras has those that it trains first."""
    if not isinstance(layer.params, ScaledBatchNorm):
        return list(variables)
    count = len(variables) - _STATISTICS
    return [*variables[count:], *variables[:count]]


def to_keras(owned: Sequence[Learnable], blobs: Sequence[Array]) -> list[Array]:
    """Arrays in Caffe's layout, one for each parameter, as their Keras variables hold them."""
    return _converted(owned, blobs, _layer_to_keras)


def to_caffe(owned: Sequence[Learnable], arrays: Sequence[Array]) -> list[Array]:
    """The inverse of `to_keras`."""
    return _converted(owned, arrays, _layer_to_caffe)


def _converted(owned: Sequence[Learnable], arrays: Sequence[Array], convert: Any) -> list[Array]:
    groups: dict[str, list[int]] = {}
    for number, each in enumerate(owned):
        groups.setdefault(each.layer.name, []).append(number)
    result: list[Any] = [None] * len(owned)
    for numbers in groups.values():
        known = {owned[number].index: arrays[number] for number in numbers}
        new = convert(owned[numbers[0]].layer, known)
        for number in numbers:
            result[number] = new[owned[number].index]
    return result


def _layer_to_keras(layer: Layer, known: dict[int, Array]) -> list[Array]:
    if isinstance(layer.params, BatchNorm):  # one axis each
        return [known[index] for index in range(len(known))]
    shapes = layer.weight_shapes or [known[index].shape for index in range(len(known))]
    blobs = [
        known[index] if index in known else np.zeros([size or 1 for size in shape], np.float32)
        for index, shape in enumerate(shapes)
    ]
    return [weight.array() for weight in layer.keras_weights(blobs)]


def _layer_to_caffe(layer: Layer, known: dict[int, Array]) -> list[Array]:
    if isinstance(layer.params, BatchNorm):
        return [known[index] for index in range(len(known))]
    shapes = layer.weight_shapes or ()
    blobs = [np.zeros([size or 1 for size in shape], np.float32) for shape in shapes]
    full = [w.array() for w in layer.keras_weights(blobs)] if len(known) < len(blobs) else []
    arrays = [
        known[index] if index in known else full[index] for index in range(len(full or known))
    ]
    return layer.caffe_blobs(arrays)
