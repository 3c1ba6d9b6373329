"""Which layers of a net pass what on, forward and backward, Caffe's splits among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from keras_fcn.caffe.net.network import Layer, Network, ParamSpec
from keras_fcn.caffe.net.splits import as_written
from keras_fcn.pycaffe.wiring import loss_weights_of

__all__ = ["Key", "Passing", "passings"]

Key = tuple[str, int]
"""Key of a version of a blob."""


@dataclass(frozen=True)
class Passing:
    """A layer as Caffe runs it.

    Attributes:
        name: its name.
        layer: the network's; None: a split, which Caffe puts in.
        tops: name and version of each blob that it makes; those of a split are one version.
        handing: the same of its bottoms whose gradients it computes, each version once.
        backward: whether it runs on the way back.
        rates: `lr_mult` of each of its blobs.
    """

    name: str
    layer: Layer | None
    tops: tuple[tuple[str, Key], ...]
    handing: tuple[tuple[str, Key], ...]
    backward: bool
    rates: tuple[float, ...] = ()


def passings(network: Network) -> list[Passing]:
    """The layers of a network in Caffe's order.

    Source: `Net::Init` in `src/caffe/net.cpp` of BVLC Caffe 1.0.
    """
    layers = {layer.name: layer for layer in network.layers}
    versions: dict[str, Key] = {}
    learning: set[Key] = set()
    result = []
    for written in as_written(network).layers:
        layer = layers.get(written.name)
        read = [(name, versions[name]) for name in written.bottoms]
        if layer is None:
            tops = tuple((name, read[0][1]) for name in written.tops)
        else:
            tops = tuple((top.name, top.key) for top in layer.tops)
            versions |= {x.name: x.key for x in layer.aliases}
        versions |= tops
        asked = written.propagate_down or [key in learning for _, key in read]
        handing = {x[1]: x for x, passes in zip(read, asked, strict=False) if passes}
        rates = _rates(layer, written.param_specs) if layer is not None else []
        backward = bool(handing) or any(rates)
        if backward:
            learning |= {key for _, key in tops}
        result.append(
            Passing(written.name, layer, tops, tuple(handing.values()), backward, tuple(rates))
        )
    return _below_losses(result)


def _rates(layer: Layer, specs: Sequence[ParamSpec]) -> list[float]:
    """`lr_mult` of each of a layer's blobs."""
    count = len(layer.weight_shapes or ())
    return [spec.lr_mult for spec in (*specs, *[ParamSpec()] * count)[:count]]


def _below_losses(passings: list[Passing]) -> list[Passing]:
    """Without the way back of what leads to no loss."""
    below = {
        top.key
        for each in passings
        if each.layer is not None
        for top, weight in zip(each.layer.tops, loss_weights_of(each.layer), strict=True)
        if weight
    }
    result = []
    for each in reversed(passings):
        if not any(key in below for _, key in each.tops):
            each = replace(each, handing=(), backward=False)
        below |= {key for _, key in each.handing}
        result.append(each)
    return result[::-1]
