"""Layers without bottoms."""

from __future__ import annotations

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers.base import Filler
from keras_fcn.caffe.layers.dummy_data import DummyData
from keras_fcn.caffe.layers.parameter import Parameter
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.registry import to_onnx


@to_onnx(DummyData)
def dummy_data(layer: Layer[DummyData], graph: LayerGraph) -> tuple[str, ...]:
    """Constants; a first size that repeats the batch of the network's first input follows it."""
    fillers = layer.params.top_fillers(len(layer.tops))
    shapes = [top.shape or () for top in layer.tops]
    return tuple(map(lambda shape, filler: _filled(graph, shape, filler), shapes, fillers))


def _filled(graph: LayerGraph, shape: tuple[int | None, ...], filler: Filler) -> str:
    if filler.type != "constant":
        raise UnsupportedLayerError(
            f"data_filler: {filler.type} draws random numbers, which is not written as ONNX"
        )
    value = graph.floats(filler.value)
    if graph.batch is None or shape[:1] != graph.batch[1:]:
        return graph.add("Expand", value, graph.ints(shape))
    sizes = graph.sizes(graph.batch[0], 0, 1), graph.ints(shape[1:])
    return graph.add("Expand", value, graph.add("Concat", *sizes, axis=0))


@to_onnx(Parameter)
def parameter(layer: Layer[Parameter], graph: LayerGraph) -> str:
    """A constant."""
    return graph.weight(0)
