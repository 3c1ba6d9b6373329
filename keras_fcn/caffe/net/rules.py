"""Caffe's rules for the blobs and parameters of a layer, whatever its type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from keras_fcn.caffe.definition import LayerDefinition, ParamSpec
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import LayerParams, Shape
from keras_fcn.caffe.layers.base import product
from keras_fcn.caffe.net.layer import Blob, Layer


def check_counts(layer: Layer) -> None:
    """Require as many bottoms and tops as the type needs."""
    definition, params = layer.definition, layer.params
    _check_count("bottom", len(definition.bottoms), params.bottom_count)
    if definition.tops or not params.auto_top:
        _check_count("top", len(definition.tops), params.top_count)


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
    definition: LayerDefinition,
    params: LayerParams,
    current: Mapping[str, Blob],
    readers: Mapping[Blob, int],
) -> None:
    """Require that tops are made once, or in place on a blob that nobody else reads.

    Args:
        definition: the layer.
        params: its parameters.
        current: blob name -> its version so far.
        readers: blob -> how many layers read it, this one included.
    """
    repeated = [name for name, count in Counter(definition.tops).items() if count > 1]
    if repeated:
        raise NetworkError(f"top {repeated[0]!r} is given twice")
    for index, name in enumerate(definition.tops):
        made = current.get(name)
        if made is None:
            continue
        if index >= len(definition.bottoms) or definition.bottoms[index] != name:
            raise NetworkError(f"top {name!r} is already made by layer {made.layer!r}")
        if not params.in_place:
            raise NetworkError(f"top {name!r} is its bottom, but this type cannot work in place")
        if readers[made] > 1:
            raise NetworkError(
                f"top {name!r}: works in place on a blob that is read elsewhere too; give the top "
                "another name"
            )


def check_params(layers: Sequence[Layer]) -> None:
    """Require one `param` a blob at most, and that shared blobs are alike."""
    owners: dict[str, tuple[str, Shape]] = {}
    for layer in layers:
        shapes = layer.weight_shapes
        if shapes is None:
            continue
        if len(layer.param_specs) > len(shapes):
            raise NetworkError(
                f"{layer.place}: {len(layer.param_specs)} 'param' for {len(shapes)} parameter blobs"
            )
        for spec, shape in zip(layer.param_specs, shapes, strict=False):
            owner, owned = owners.setdefault(spec.name, (layer.name, shape))
            if spec.name and not _may_share(spec, shape, owned):
                raise NetworkError(
                    f"{layer.place}: param {spec.name!r} is shared with layer {owner!r}, whose "
                    f"blob has shape {owned}; here it needs {shape}"
                )


def _may_share(spec: ParamSpec, shape: Shape, owned: Shape) -> bool:
    """Whether a blob of one shape can be that of another, as far as both are known."""
    if None in (*shape, *owned):
        return True
    if spec.share_mode == "PERMISSIVE":
        return product(shape) == product(owned)
    return shape == owned


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
                f"{layer.place}: another layer with "
                f"weights has this name{where}, and a weights file finds them by name; give "
                "one of the two another name"
            )
