"""The net that a Caffe solver writes into a `.caffemodel`: with splits, phases and loss weights.

Source: `InsertSplits` in `src/caffe/util/insert_splits.cpp` and `Net::Init` in `net.cpp` of BVLC
Caffe 1.0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from keras_fcn.caffe.definition import LayerDefinition, NetDefinition, ParamSpec
from keras_fcn.caffe.layers.loss import Loss
from keras_fcn.caffe.layers.normalization import BatchNorm
from keras_fcn.caffe.net.network import Network

__all__ = ["as_written"]

_STATISTICS = 3
_Top = tuple[int, int]  # a layer's number, and which of its tops


def as_written(network: Network) -> NetDefinition:
    """The layers of a network's state as Caffe holds and writes them.

    A blob that several layers read, or that is a loss and read too, has a Split behind it; every
    layer has a phase, losses their weight, statistics of a BatchNorm a rate of 0.
    """
    kept = network.in_state()
    phase = network.state.phase
    kinds = {layer.name: layer.params for layer in network.layers}
    layers = []
    for layer in _with_splits(kept.layers):
        params = kinds.get(layer.name)
        if isinstance(params, Loss) and not layer.loss_weights:
            layer = replace(layer, loss_weights=(1.0,))
        if isinstance(params, BatchNorm):
            given = layer.param_specs
            rest = (ParamSpec(lr_mult=0.0),) * (_STATISTICS - len(given))
            layer = replace(layer, param_specs=(*given, *rest))
        layers.append(replace(layer, phase=layer.phase or phase))
    return NetDefinition(name=kept.name, layers=tuple(layers), others=kept.others)


def _with_splits(layers: Sequence[LayerDefinition]) -> list[LayerDefinition]:
    made: dict[str, _Top] = {}
    read: dict[_Top, _Top] = {}
    readers: Counter[_Top] = Counter()
    weights: dict[_Top, float] = {}
    for number, layer in enumerate(layers):
        for index, name in enumerate(layer.bottoms):
            read[number, index] = made[name]
            readers[made[name]] += 1
        made |= {name: (number, index) for index, name in enumerate(layer.tops)}
        for index, weight in zip(range(len(layer.tops)), layer.loss_weights, strict=False):
            if weight:
                weights[number, index] = weight
                readers[number, index] += 1
    given: Counter[_Top] = Counter(weights.keys())  # a loss keeps the first top of its split
    result = []
    for number, layer in enumerate(layers):
        bottoms = []
        for index, name in enumerate(layer.bottoms):
            top = read[number, index]
            if readers[top] > 1:
                name = f"{_split_name(layers, top)}_{given[top]}"
                given[top] += 1
            bottoms.append(name)
        same = tuple(bottoms) == layer.bottoms
        result.append(layer if same else replace(layer, bottoms=tuple(bottoms)))
        for index, name in enumerate(layer.tops):
            count = readers[number, index]
            if count < 2:
                continue
            own = _split_name(layers, (number, index))
            result.append(
                LayerDefinition(
                    own,
                    "Split",
                    (name,),
                    tuple(f"{own}_{k}" for k in range(count)),
                    loss_weights=_of_split(weights.get((number, index)), count),
                )
            )
    return result


def _of_split(weight: float | None, count: int) -> tuple[float, ...]:
    """The loss weights of a split, which hands that of its bottom on by its first top."""
    return (weight, *[0.0] * (count - 1)) if weight else ()


def _split_name(layers: Sequence[LayerDefinition], top: _Top) -> str:
    layer = layers[top[0]]
    return f"{layer.tops[top[1]]}_{layer.name}_{top[1]}_split"
