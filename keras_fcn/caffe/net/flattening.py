"""The pass that finds what reads a map as one vector, and whose batch was gathered on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.net.layer import Blob, Layer


def flattening(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers with the maps that they flatten, and with `Layer.rows`."""
    origins: dict[Blob, Blob] = {}  # the blob whose elements are in the same positions
    makers: dict[Blob, Layer] = {}
    gathered: set[Blob] = set()
    result = []
    for layer in layers:
        rows = layer.params.gathers_rows or not gathered.isdisjoint(layer.bottoms)
        flattened = _flattened(layer, origins, makers)
        if rows or flattened is not None:
            layer = replace(layer, rows=rows, flattened=flattened)
        made = (*layer.tops, *layer.aliases)
        if rows:
            gathered.update(made)
        for old, new in zip(layer.overwritten, layer.aliases, strict=True):
            origins[new] = origins.get(old, old)
        if layer.params.elementwise and layer.bottoms:
            origin = origins.get(layer.bottoms[0], layer.bottoms[0])
            origins.update(dict.fromkeys(layer.tops, origin))
        makers.update(dict.fromkeys(made, layer))
        result.append(layer)
    return tuple(result)


def _flattened(layer: Layer, origins: dict[Blob, Blob], makers: dict[Blob, Layer]) -> Shape | None:
    if not layer.params.flattens or not layer.bottoms:
        return None
    blob = origins.get(layer.bottoms[0], layer.bottoms[0])
    maker = makers.get(blob)
    if maker is not None and maker.params.flattens and len(maker.tops[0].shape or ()) == 2:
        return None if maker.weight_shapes else maker.flattened
    return blob.shape if blob.shape is not None and len(blob.shape) > 2 else None
