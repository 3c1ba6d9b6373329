"""SSD's priors: constants where sizes are known, else ncnn's own."""

from __future__ import annotations

from typing import Any

from keras_fcn.caffe.layers.prior_box import PriorBox, PriorBoxClustered, Priors
from keras_fcn.caffe.ncnn.graph import LayerGraph
from keras_fcn.caffe.ncnn.registry import to_ncnn
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.nodes.graph import NeedsSizes
from keras_fcn.caffe.nodes.priors import priors

_OF_BOTTOM = -233
"""ncnn's word for what the bottoms tell."""


@to_ncnn(PriorBox)
def prior_box(layer: Layer[PriorBox], graph: LayerGraph, x: str, image: str) -> str:
    """Boxes and their variances; only the bottoms' sizes count."""
    try:
        return graph.constant(priors(layer)[0])
    except NeedsSizes:
        return graph.add("PriorBox", x, image, settings=_settings(layer.params))


@to_ncnn(PriorBoxClustered)
def prior_box_clustered(layer: Layer[Priors], graph: LayerGraph, *_: str) -> str:
    """The same for boxes of given sides, as constants."""
    return graph.constant(priors(layer)[0])


def _settings(params: PriorBox) -> dict[int, Any]:
    """The ratios are those of all boxes, turned ones too."""
    height, width = params.image or (_OF_BOTTOM,) * 2
    down, right = params.steps or (_OF_BOTTOM,) * 2
    return {
        0: [float(int(size)) for size in params.min_size],
        1: [float(int(size)) for size in params.max_size],
        2: [float(ratio) for ratio in params.ratios],
        **dict(enumerate(map(float, params.variances), 3)),
        7: 0,
        8: int(params.clip),
        9: int(width),
        10: int(height),
        11: float(right),
        12: float(down),
        13: float(params.offset),
    }
