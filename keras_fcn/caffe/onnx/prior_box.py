"""SSD's priors, which are constants."""

from __future__ import annotations

import numpy as np

from keras_fcn.caffe.layers.prior_box import PriorBox, PriorBoxClustered, Priors, laid
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.nodes.graph import NeedsSizes
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.registry import to_onnx


@to_onnx(PriorBox, PriorBoxClustered)
def prior_box(layer: Layer[Priors], graph: LayerGraph, *_: str) -> str:
    """Boxes and their variances; only the bottoms' sizes count."""
    params = layer.params
    cells, sizes = ((blob.shape or ())[2:] for blob in layer.bottoms)
    image = params.image or sizes
    if None in (*cells, *image):
        raise NeedsSizes("its boxes need a map and an image of known size; fix the input's")
    boxes = laid(params.boxes, cells, image, params.steps, params.offset, params.clip).ravel()
    return graph.floats(np.stack([boxes, np.resize(params.variances, boxes.size)])[None])
