"""SSD's priors, which are constants."""

from __future__ import annotations

from keras_fcn.caffe.layers.prior_box import PriorBox, PriorBoxClustered, Priors
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.nodes.priors import priors
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.registry import to_onnx


@to_onnx(PriorBox, PriorBoxClustered)
def prior_box(layer: Layer[Priors], graph: LayerGraph, *_: str) -> str:
    """Boxes and their variances; only the bottoms' sizes count."""
    return graph.floats(priors(layer))
