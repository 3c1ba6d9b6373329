"""Layers that ONNX has no operators for, as nodes of a domain of our own.

Such a node has Caffe's type, or the Python layer's class, and reads the layer's bottoms and then
its parameter blobs. Its attributes `layer`, the name, and `prototxt` say what is to be computed;
`keras_fcn.onnx_evaluator` does it with Keras.
"""

from __future__ import annotations

from keras_fcn.caffe.definition import NetDefinition
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import UnknownLayer
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.proto.definitions import to_text

DOMAIN = "keras_fcn"

__all__ = ["DOMAIN", "require_last", "write_custom"]


def write_custom(layer: Layer, graph: LayerGraph, *bottoms: str) -> tuple[str, ...]:
    """A layer of any type as such a node."""
    blobs = [graph.weight(index) for index in range(len(graph.blobs))]
    attributes = {
        "layer": layer.name,
        "prototxt": to_text(NetDefinition(layers=(layer.definition,))),
    }
    kind = layer.definition.fields.message("python_param").get("layer", layer.type)
    return graph.node(len(layer.tops), kind, [*bottoms, *blobs], attributes, domain=DOMAIN)


def require_last(network: Network) -> None:
    """Refuse a network in which layers read what one of unknown type gives.

    Raises:
        UnsupportedLayerError: the shape of what it gives is not known, so that they cannot be
            written.
    """
    read = {blob.key: layer for layer in network.layers for blob in layer.bottoms}
    for layer in network.layers:
        for blob in layer.tops if isinstance(layer.params, UnknownLayer) else ():
            if blob.key in read:
                raise UnsupportedLayerError(
                    f"{layer.place}: gives blobs of a shape that is not known, which "
                    f"{read[blob.key].name!r} reads; a layer of its own domain can only be last"
                )
