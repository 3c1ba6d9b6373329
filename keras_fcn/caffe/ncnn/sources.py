"""Layers without bottoms."""

from __future__ import annotations

import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.layers.dummy_data import DummyData
from keras_fcn.caffe.layers.parameter import Parameter
from keras_fcn.caffe.ncnn.graph import LayerGraph, known_sizes
from keras_fcn.caffe.ncnn.registry import to_ncnn
from keras_fcn.caffe.net.layer import Layer


@to_ncnn(DummyData)
def dummy_data(layer: Layer[DummyData], graph: LayerGraph) -> tuple[str, ...]:
    """Constants, the same for each image."""
    tops = []
    for top, filler in zip(layer.tops, layer.params.top_fillers(len(layer.tops)), strict=True):
        if filler.type != "constant":
            raise UnsupportedLayerError(
                f"data_filler: {filler.type} draws random numbers, which is not written for ncnn"
            )
        shape = top.shape or ()
        _check_images(graph, shape)
        tops.append(graph.constant(np.full(known_sizes(shape), filler.value, np.float32)))
    return tuple(tops)


@to_ncnn(Parameter)
def parameter(layer: Layer[Parameter], graph: LayerGraph) -> str:
    """A constant."""
    blob = graph.blobs[0]
    if blob.shape[:1] != (1,):
        raise UnsupportedLayerError(
            f"a blob of shape {blob.shape} for each of {len(blob)} images; ncnn runs one at a time"
            if blob.ndim
            else "a blob without axes; ncnn has none"
        )
    return graph.constant(blob[0])


def _check_images(graph: LayerGraph, shape: Shape) -> None:
    if graph.batch is not None and shape[:1] not in ((1,), graph.batch[1:]):
        raise UnsupportedLayerError(
            f"shape {shape} is not of as many images as {graph.batch[0]!r}, and ncnn runs one at "
            "a time"
        )
