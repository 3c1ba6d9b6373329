"""InnerProduct."""

from __future__ import annotations

from keras_fcn.caffe.layers.base import product
from keras_fcn.caffe.layers.inner_product import InnerProduct
from keras_fcn.caffe.ncnn.graph import LayerGraph, image_axis
from keras_fcn.caffe.ncnn.registry import to_ncnn
from keras_fcn.caffe.net.layer import Layer


@to_ncnn(InnerProduct)
def inner_product(layer: Layer[InnerProduct], graph: LayerGraph, x: str) -> str:
    """A vector, or the rows of a matrix, times Caffe's weights."""
    params, shape = layer.params, layer.bottoms[0].shape or ()
    first = image_axis(params.axis, len(shape))
    kernel = graph.blobs[0].T if params.transpose else graph.blobs[0]
    if first:
        x = graph.reshape(x, (None, kernel.shape[1]))
    elif len(shape) == 3:  # whose rows ncnn would take one by one
        x = graph.add("Flatten", x)
    settings = {0: params.num_output, 1: int(params.bias_term), 2: kernel.size}
    weights = [kernel, *graph.blobs[1 : 1 + params.bias_term]]
    y = graph.add("InnerProduct", x, settings=settings, weights=weights, tagged=True)
    if first < 2:
        return y
    sizes = [*shape[1 : 1 + first], params.num_output]
    return graph.reshape(y, [None if product(sizes) is None else size for size in sizes])
