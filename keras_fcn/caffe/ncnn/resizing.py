"""Maps in another size: Interp, and the Upsample that repeats pixels."""

from __future__ import annotations

import numpy as np

from keras_fcn.caffe.layers.base import known
from keras_fcn.caffe.layers.interp import Interp
from keras_fcn.caffe.layers.upsample import NearestUpsample
from keras_fcn.caffe.ncnn.graph import LayerGraph
from keras_fcn.caffe.ncnn.registry import to_ncnn
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.nodes.graph import NeedsSizes

_MAP = slice(2, 4)
"""Axes of height and width of a blob."""
_NEAREST, _BILINEAR = 1, 2
_ON_CORNERS = {0: _BILINEAR, 6: 1}
_REST = -233
"""ncnn's word for what is left."""


@to_ncnn(Interp)
def interp(layer: Layer[Interp], graph: LayerGraph, x: str, *like: str) -> str:
    """What is left of the map, bilinear, corners on corners."""
    params = layer.params
    before, wanted = (known((blob.shape or ())[_MAP]) for blob in (layer.bottoms[0], layer.tops[0]))
    if params.pad_beg or params.pad_end:
        x = _without_rim(graph, x, -params.pad_beg, -params.pad_end)
        before = before and tuple(size + params.pad_beg + params.pad_end for size in before)
    if before is not None and wanted is not None:
        return _resized(graph, x, before, wanted)
    if wanted is not None and min(wanted) > 1:
        return graph.add("Interp", x, settings={**_ON_CORNERS, 3: wanted[0], 4: wanted[1]})
    reference = like[0] if params.rule == (None, None, None) else _reference(layer, graph, x)
    return graph.add("Interp", x, reference, settings={**_ON_CORNERS, 5: 1})


def _reference(layer: Layer[Interp], graph: LayerGraph, x: str) -> str:
    """A map, of one channel, that is as large as the top."""
    size, zoom, shrink = layer.params.rule
    if size is not None:
        raise NeedsSizes("to a map of one row or column; fix the input's size")
    x = graph.cropped(x, [0], [1], [0])
    if shrink is not None:  # each so many-th position
        x = graph.add("Pooling", x, settings={0: 0, 1: 1, 2: shrink, 5: 1})
    if zoom is not None:
        x = graph.add("Interp", x, settings={0: _NEAREST, 1: float(zoom), 2: float(zoom)})
        x = _without_rim(graph, x, 0, zoom - 1)
    return x


def _without_rim(graph: LayerGraph, x: str, first: int, last: int) -> str:
    """Without so many first and last rows and columns."""
    settings = {0: first, 1: first, 3: _REST, 4: _REST, 5: _REST, 6: last, 7: last}
    return graph.add("Crop", x, settings=settings)


def _resized(graph: LayerGraph, x: str, before: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """Corners on corners; of one position to many, or of many to one, there are no two corners."""
    sizes = list(before)
    for axis, (old, new) in enumerate(zip(before, wanted, strict=True)):
        if new == 1 and old > 1:
            x = graph.cropped(x, [0], [1], [axis + 1])
        elif old == 1 and new > 1:
            x = graph.add("Tile", x, settings={0: axis + 1, 1: new})
        sizes[axis] = new if 1 in (old, new) else old
    if tuple(sizes) == tuple(wanted):
        return x
    return graph.add("Interp", x, settings={**_ON_CORNERS, 3: wanted[0], 4: wanted[1]})


@to_ncnn(NearestUpsample)
def nearest_upsample(layer: Layer[NearestUpsample], graph: LayerGraph, x: str) -> str:
    """Repeats pixels."""
    scale = float(np.float32(layer.params.scale))
    return graph.add("Interp", x, settings={0: _NEAREST, 1: scale, 2: scale})
