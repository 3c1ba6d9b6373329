"""The pass that finds which version of a blob each layer reads and makes.

A layer that works in place makes a new version of its bottom. Shapes come later, and so do
the versions of blobs that share memory, see `keras_fcn.caffe.net.aliases`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

from keras_fcn.caffe import limits
from keras_fcn.caffe.definition import LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.net import rules, states
from keras_fcn.caffe.net.layer import AUTOMATIC, Blob, Layer
from keras_fcn.caffe.net.states import NetState
from keras_fcn.caffe.words import argument

_UNKNOWN_MAP: Shape = (None,) * 4


def wired(
    layers: Sequence[Layer], left_out: Sequence[LayerDefinition], state: NetState
) -> tuple[Layer, ...]:
    """The layers with their bottoms and tops, as Caffe's rules allow them.

    Args:
        layers: typed layers.
        left_out: what the state leaves out, to tell who would make a blob.
        state: the state.

    Raises:
        NetworkError: a bottom is made by no layer before, a top twice, or their number is
            wrong; the layer is named.
    """
    current: dict[str, Blob] = {}
    readers: Counter[Blob] = Counter()
    count = 0
    result = []
    for layer in layers:
        count += len(layer.definition.tops)
        try:
            limits.check_tops(count)
            rules.check_counts(layer)
            bottoms = tuple(
                current.get(name) or _unmade(name, current, left_out, state)
                for name in layer.definition.bottoms
            )
            readers.update(bottoms)
            rules.check_tops(layer.definition, layer.params, current, readers)
        except NetworkError as error:
            raise NetworkError(f"{layer.place}: {error}") from error
        result.append(_made(layer, bottoms, current))
    return tuple(result)


def loosely_wired(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers with their bottoms and tops; a bottom that no layer makes is a map from outside.

    Raises:
        NetworkError: there are too many tops.
    """
    current: dict[str, Blob] = {}
    count = 0
    result = []
    for layer in layers:
        count += len(layer.definition.tops)
        limits.check_tops(count)
        bottoms = tuple(
            current.setdefault(name, Blob(name, _UNKNOWN_MAP, layer="", index=0, maker=""))
            for name in layer.definition.bottoms
        )
        result.append(_made(layer, bottoms, current))
    return tuple(result)


def _made(layer: Layer, bottoms: tuple[Blob, ...], current: dict[str, Blob]) -> Layer:
    """The layer with its blobs; `current` gets what it makes."""
    names = layer.definition.tops or (AUTOMATIC,) * layer.params.auto_top
    tops = tuple(
        Blob(name, None, layer.name, index, layer.keras_name) for index, name in enumerate(names)
    )
    if layer.definition.tops:
        current.update((blob.name, blob) for blob in tops)
    return replace(layer, bottoms=bottoms, tops=tops)


def _unmade(
    name: str, current: dict[str, Blob], left_out: Sequence[LayerDefinition], state: NetState
) -> NoReturn:
    """Refuse a bottom that no layer before makes.

    Raises:
        NetworkError: always; it tells who would make the blob in another state.
    """
    hint = states.where_made(name, left_out, state)
    problem = f"bottom {name!r} is made by no layer before it"
    if hint:
        raise NetworkError(f"{problem} in phase {state.phase}; {hint}")
    raise NetworkError(
        f"{problem}, and is no input ({argument('input_shapes')} would make it one); "
        f"blobs so far: {', '.join(current) or 'none'}"
    )
