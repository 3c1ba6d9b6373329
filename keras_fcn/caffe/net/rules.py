"""Caffe's rules for the blobs and parameters of a layer, whatever its type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import LayerParams, Shape, Shapes
from keras_fcn.caffe.layers.base import product
from keras_fcn.caffe.net.network import Blob, Layer, place


def check_counts(message: Any, params: LayerParams) -> None:
    """Require as many bottoms and tops as the type needs."""
    _check_count("bottom", len(message.bottom), params.bottom_count)
    if message.top or not params.auto_top:
        _check_count("top", len(message.top), params.top_count)


def _check_count(side: str, count: int, limits: tuple[int, int | None]) -> None:
    fewest, most = limits
    if count < fewest or (most is not None and count > most):
        wanted = (
            f"{fewest}"
            if fewest == most
            else f"{fewest} to {'any number' if most is None else most}"
        )
        raise NetworkError(f"needs {wanted} {side} blobs, has {count}")


def check_tops(
    message: Any, params: LayerParams, current: Mapping[str, Blob], readers: Mapping[Blob, int]
) -> None:
    """Require that tops are made once, or in place on a blob that nobody else reads.

    Args:
        message: the layer.
        params: its parameters.
        current: blob name -> its version so far.
        readers: blob -> how many layers read it, this one included.
    """
    repeated = [name for name, count in Counter(message.top).items() if count > 1]
    if repeated:
        raise NetworkError(f"top {repeated[0]!r} is given twice")
    for index, name in enumerate(message.top):
        made = current.get(name)
        if made is None:
            continue
        if index >= len(message.bottom) or message.bottom[index] != name:
            raise NetworkError(f"top {name!r} is already made by layer {made.layer!r}")
        if not params.in_place:
            raise NetworkError(f"top {name!r} is its bottom, but this type cannot work in place")
        if readers[made] > 1:
            raise NetworkError(
                f"top {name!r}: works in place on a blob that is read elsewhere too; give the top "
                "another name"
            )


def check_params(message: Any, shapes: Shapes, owners: dict[str, tuple[str, Shape]]) -> None:
    """Require one ``param`` a blob at most, and that shared blobs are alike.

    Args:
        message: the layer.
        shapes: of its parameter blobs.
        owners: name of a shared parameter -> the layer that has it first, and its shape;
            the layer's own are added.
    """
    if len(message.param) > len(shapes):
        raise NetworkError(f"{len(message.param)} 'param' for {len(shapes)} parameter blobs")
    for spec, shape in zip(message.param, shapes, strict=False):
        owner, owned = owners.setdefault(spec.name, (message.name, shape))
        if not spec.name or None in (*shape, *owned):
            continue
        sizes = (product(shape), product(owned)) if spec.share_mode else (shape, owned)
        if sizes[0] != sizes[1]:
            raise NetworkError(
                f"param {spec.name!r} is shared with layer {owner!r}, whose blob has shape "
                f"{owned}; here it needs {shape}"
            )


def check_names(layers: Sequence[Layer]) -> None:
    """Require that a name, by which weights are found, is that of one layer with weights."""
    owners: dict[str, Layer] = {}
    for layer in layers:
        if not layer.weight_shapes:
            continue
        first = owners.setdefault(layer.name, layer)
        if first is not layer:
            where = f" on line {first.line}" if first.line else ""
            raise NetworkError(
                f"{place(layer.path, layer.line, layer.name, layer.type)}: another layer with "
                f"weights has this name{where}, and a weights file finds them by name; give "
                "one of the two another name"
            )
