"""Keras' own layers that hold what Caffe keeps in other shapes, or in two layers.

A hand-written model has `DepthwiseConv2D` where Caffe has a convolution with as many
groups as channels, `PReLU(shared_axes=...)` where Caffe has a slope a channel, and one
`BatchNormalization` where Caffe has a BatchNorm and a Scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from keras_fcn.caffe.definition import LayerDefinition, NetDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.normalization import BatchNorm

_SCALE_AXES = (1, 1)  # axis and num_axes of a Scale that has a number for each channel

Shapes = list[tuple[int, ...]]
Named = dict[str, np.ndarray]


@dataclass(frozen=True)
class CaffeLayers:
    """Facts of a weights file about Caffe's layers, beside their arrays; keys are Keras' names.

    Attributes:
        kinds: key -> Caffe type.
        scales: key of a BatchNorm -> key of the Scale that reads it alone.
        eps: key of a BatchNorm -> what it adds to the variance.
    """

    kinds: Mapping[str, str] = field(default_factory=dict)
    scales: Mapping[str, str] = field(default_factory=dict)
    eps: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, net: NetDefinition, keys: Mapping[str, str]) -> CaffeLayers:
        """Gather them from what a prototxt says; `keys` are by Caffe's names."""
        known = [layer for layer in net.layers if layer.name in keys]
        norms = [layer for layer in known if layer.type == "BatchNorm"]
        return cls(
            {keys[layer.name]: layer.type for layer in known},
            {keys[norm]: keys[scale] for norm, scale in _scaled(net) if {norm, scale} <= set(keys)},
            {keys[layer.name]: _eps(layer) for layer in norms},
        )


@dataclass(frozen=True)
class Fit:
    """Rule by which a layer takes its weights from the file.

    Attributes:
        keys: the file's layers that they come from.
        arrays: gives them, in the layer's order.
        note: what a user should know; empty: nothing.
    """

    keys: tuple[str, ...]
    arrays: Callable[[], list[np.ndarray]]
    note: str = ""


def fit(
    layer: keras.layers.Layer,
    key: str,
    shapes: Mapping[str, Shapes],
    named: Callable[[str], Named],
    caffe: CaffeLayers,
    others: Collection[str],
) -> Fit | None:
    """Rule for a stock Keras layer whose weights Caffe keeps in another form; None: there is none.

    Args:
        layer: the layer.
        key: the file's layer for it.
        shapes: key -> shapes in the file.
        named: gives a key's arrays, by name.
        caffe: what the file tells of Caffe's layers.
        others: names of the model's other layers that have weights; a Scale that has a layer
            of its own is not merged.
    """
    if type(layer) is keras.layers.BatchNormalization:
        return _normalization(layer, key, named, caffe, others)
    rule = _RESHAPED.get(type(layer))
    wanted = [tuple(weight.shape) for weight in layer.weights]
    if rule is None or key not in caffe.kinds or not rule(shapes[key], wanted):
        return None
    return Fit(
        (key,),
        lambda: [
            np.broadcast_to(array, shape) if array.size < math.prod(shape) else array.reshape(shape)
            for array, shape in zip(named(key).values(), wanted, strict=True)
        ],
    )


def fits_by_shape(layer: keras.layers.Layer, key: str, caffe: CaffeLayers) -> bool:
    """Whether equal shapes are enough: not where a vector could be taken for another."""
    return type(layer) is not keras.layers.BatchNormalization or caffe.kinds.get(key) not in (
        "BatchNorm",
        "Scale",
    )


def _depthwise(stored: Shapes, wanted: Shapes) -> bool:
    """(H, W, 1, C * M) for (H, W, C, M): Caffe's outputs are those of a channel, one by one."""
    if len(stored) != len(wanted) or stored[1:] != wanted[1:] or len(stored[0]) != 4:
        return False
    height, width, channels, multiplier = wanted[0]
    return stored[0] == (height, width, 1, channels * multiplier)


def _slopes(stored: Shapes, wanted: Shapes) -> bool:
    """A slope a channel, or one for all, for one a channel or a place."""
    return len(stored) == 1 and stored[0] in ((), (1,), wanted[0][-1:])


_RESHAPED: dict[type[keras.layers.Layer], Callable[[Shapes, Shapes], bool]] = {
    keras.layers.DepthwiseConv2D: _depthwise,
    keras.layers.PReLU: _slopes,
}


def _normalization(
    layer: Any,
    key: str,
    named: Callable[[str], Named],
    caffe: CaffeLayers,
    others: Collection[str],
) -> Fit | None:
    """A BatchNormalization named after the BatchNorm or after the Scale behind it."""
    norms = {scale: norm for norm, scale in caffe.scales.items()}
    norm = norms.get(key, key)
    if caffe.kinds.get(norm) != "BatchNorm" or (norm != key and norm in others):
        return None
    scale = caffe.scales.get(norm)
    if scale is not None and scale != key and scale in others:
        scale = None
    keys = (norm,) if scale is None else (norm, scale)
    whole = _merged([named(source) for source in keys])
    wanted = {weight.name: tuple(weight.shape) for weight in layer.weights}
    unheld = {"gamma": 1, "beta": 0}  # what a layer without them has in their place
    if any(np.any(whole[name] != unheld[name]) for name in unheld.keys() - wanted.keys()):
        return None
    if any(whole[name].shape != shape for name, shape in wanted.items()):
        return None
    return Fit(keys, lambda: [whole[name] for name in wanted], _eps_note(layer, norm, caffe))


def _merged(groups: Sequence[Named]) -> Named:
    """The weights of a BatchNorm, which may scale itself, and of the Scale behind it."""
    whole = {name: array for name, array in groups[0].items() if name.startswith("moving")}
    gamma = np.ones_like(whole["moving_mean"])
    beta = np.zeros_like(gamma)
    for group in groups:
        scale = group.get("scale", group.get("gamma", 1))
        gamma, beta = gamma * scale, beta * scale + group.get("bias", group.get("beta", 0))
    return {**whole, "gamma": gamma, "beta": beta}


def _eps(layer: LayerDefinition) -> float:
    try:
        return BatchNorm.variant(layer).read(layer).eps
    except NetworkError:  # what a weights file says of training need not be right
        return float(layer.fields.message("batch_norm_param").get("eps", BatchNorm.eps))


def _eps_note(layer: Any, norm: str, caffe: CaffeLayers) -> str:
    eps = caffe.eps[norm]
    if math.isclose(layer.epsilon, eps, rel_tol=1e-5):
        return ""
    return (
        f"layer {layer.name!r} has epsilon={layer.epsilon:g}, Caffe's {norm!r} eps: {eps:g}; make "
        f"it BatchNormalization(epsilon={eps:g}, ...) to get Caffe's numbers"
    )


def _scaled(net: NetDefinition) -> Iterator[tuple[str, str]]:
    """Names of the BatchNorms that a Scale follows, and of these."""
    makers: dict[str, LayerDefinition] = {}
    for layer in net.layers:
        maker = makers.get(layer.bottoms[0]) if len(layer.bottoms) == 1 else None
        if layer.type == "Scale" and maker is not None and maker.type == "BatchNorm":
            given = layer.fields.message("scale_param")
            if (given.get("axis", 1), given.get("num_axes", 1)) == _SCALE_AXES:
                yield maker.name, layer.name
        makers.update(dict.fromkeys(layer.tops, layer))
