"""Convolution, Deconvolution and Im2col."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras_fcn.caffe.layers.base import canonical_axis
from keras_fcn.caffe.layers.base_convolution import BaseConvolution, Windowed
from keras_fcn.caffe.layers.convolution import Convolution
from keras_fcn.caffe.layers.deconvolution import Deconvolution
from keras_fcn.caffe.layers.im2col import Im2col
from keras_fcn.caffe.layers.mobile import DepthwiseConvolution
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.nodes.graph import NeedsSizes
from keras_fcn.caffe.nodes.windows import as_convolution, eye_kernel, past_the_end
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.registry import to_onnx

Shape = tuple[int | None, ...]

_FIELDS = ("kernel_size", "stride", "pad", "dilation")


@to_onnx(Convolution)
def convolution(layer: Layer[Convolution], graph: LayerGraph, *bottoms: str) -> Any:
    """One kernel for any number of bottoms."""
    return _for_each(layer, graph, "Conv", bottoms)


@to_onnx(DepthwiseConvolution)
def depthwise_convolution(
    layer: Layer[DepthwiseConvolution], graph: LayerGraph, *bottoms: str
) -> Any:
    """A convolution with as many groups as channels."""
    return convolution(as_convolution(layer), graph, *bottoms)


@to_onnx(Deconvolution)
def deconvolution(layer: Layer[Deconvolution], graph: LayerGraph, *bottoms: str) -> Any:
    """The same for the gradient of a convolution."""
    return _for_each(layer, graph, "ConvTranspose", bottoms)


@to_onnx(Im2col)
def im2col(layer: Layer[Im2col], graph: LayerGraph, x: str) -> str:
    """A convolution whose kernels have a single 1 each."""
    shape = layer.bottoms[0].shape or ()
    kernel = eye_kernel(layer.params, shape)
    group = len(kernel) // kernel[0].size
    return _convolved(layer, graph, "Conv", x, shape, [graph.floats(kernel)], group)


def _for_each(
    layer: Layer[BaseConvolution], graph: LayerGraph, op_type: str, bottoms: tuple[str, ...]
) -> Any:
    params, shape = layer.params, layer.bottoms[0].shape or ()
    count = len(shape) - canonical_axis(params.axis, len(shape)) - 1
    # Without an axis to move along, the windows get one of size 1.
    kernel = graph.weight(0, None if count else (*graph.blobs[0].shape, 1))
    weights = [kernel, *(graph.weight(1) for _ in range(params.bias_term))]
    tops = tuple(
        _convolved(layer, graph, op_type, x, blob.shape or (), weights, params.group)
        for x, blob in zip(bottoms, layer.bottoms, strict=True)
    )
    return tops if len(tops) > 1 else tops[0]


def _convolved(
    layer: Layer[Windowed],
    graph: LayerGraph,
    op_type: str,
    x: str,
    shape: Shape,
    weights: list[str],
    group: int,
) -> str:
    params = layer.params
    axis = canonical_axis(params.axis, len(shape))
    count = len(shape) - axis - 1
    kernel, stride, pad, dilation = (params.along(field, count) for field in _FIELDS)
    ends = pad
    if op_type == "Conv":
        over = past_the_end(params, graph.declared[0])
        if any(over) and None in shape[axis + 1 :]:
            raise NeedsSizes("its window reaches past the end of the map; fix the input's size")
        ends = tuple(p + more for p, more in zip(pad, over, strict=True))
    x, restored = as_images(graph, x, axis, len(shape))
    if not count:
        x, kernel, stride, pad, dilation, ends = (
            graph.unsqueeze(x, 2),
            (1,),
            (1,),
            (0,),
            (1,),
            (0,),
        )
    if op_type == "Conv" and set(kernel) == {1}:
        # OpenCV 5.0 reads beside the map where a kernel of one position has padding.
        x = graph.pad(x, (0, 0, *pad), (0, 0, *ends))
        pad = ends = (0,) * len(pad)
    x = graph.add(
        op_type,
        x,
        *weights,
        kernel_shape=kernel,
        strides=stride,
        pads=(*pad, *ends),
        dilations=dilation,
        group=group,
    )
    return restored(x if count else graph.squeeze(x, 2))


def as_images(graph: LayerGraph, x: str, axis: int, rank: int) -> tuple[str, Callable[[str], str]]:
    """A tensor with one axis before `axis`, and what gives its like the axes that it had."""
    if axis == 1:
        return x, lambda y: y
    if axis == 0:
        return graph.unsqueeze(x, 0), lambda y: graph.squeeze(y, 0)
    behind = graph.sizes(x, axis)
    before = graph.sizes(x, 0, axis)

    def restored(y: str) -> str:
        return graph.add("Reshape", y, graph.add("Concat", before, graph.sizes(y, 1), axis=0))

    flat = graph.add("Reshape", x, graph.add("Concat", graph.ints([-1]), behind, axis=0))
    return flat, restored
