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
_END = 2**31 - 1
_OPEN = "its size follows from that of the image; fix the input's"


@to_ncnn(Interp)
def interp(layer: Layer[Interp], graph: LayerGraph, x: str, *like: str) -> str:
    """What is left of the map, bilinear, corners on corners."""
    params = layer.params
    before, wanted = (known((blob.shape or ())[_MAP]) for blob in (layer.bottoms[0], layer.tops[0]))
    if before is None and (params.pad_beg or params.pad_end):
        raise NeedsSizes(_OPEN)
    if before is not None and (params.pad_beg or params.pad_end):
        starts, ends = [-params.pad_beg] * 2, [size + params.pad_end for size in before]
        x = graph.cropped(x, starts, ends, (1, 2))
        before = tuple(end - start for start, end in zip(starts, ends, strict=True))
    if before is not None and wanted is not None:
        return _resized(graph, x, before, wanted)
    if wanted is not None and min(wanted) > 1:
        return graph.add("Interp", x, settings={**_ON_CORNERS, 3: wanted[0], 4: wanted[1]})
    if params.rule != (None, None, None):
        raise NeedsSizes(_OPEN)
    return graph.add("Interp", x, like[0], settings={**_ON_CORNERS, 5: 1})


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
