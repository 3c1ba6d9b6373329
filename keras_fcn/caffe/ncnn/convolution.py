"""Convolution, Deconvolution, Im2col, and those of three axes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers.base import canonical_axis
from keras_fcn.caffe.layers.base_convolution import BaseConvolution, Windowed
from keras_fcn.caffe.layers.convolution import Convolution
from keras_fcn.caffe.layers.deconvolution import Deconvolution
from keras_fcn.caffe.layers.im2col import Im2col
from keras_fcn.caffe.layers.mobile import DepthwiseConvolution
from keras_fcn.caffe.layers.volumetric import Convolution3D, Deconvolution3D
from keras_fcn.caffe.ncnn.graph import LayerGraph
from keras_fcn.caffe.ncnn.registry import to_ncnn
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.nodes.graph import Array, NeedsSizes
from keras_fcn.caffe.nodes.windows import (
    as_convolution,
    eye_kernel,
    past_the_end,
    plain_convolution,
)

_FIELDS = {"kernel_size": (1, 11, 21), "dilation": (2, 12, 22), "stride": (3, 13, 23)}
"""Field -> ncnn's numbers of it along w, h and d."""
_PADS = ((4, 15), (14, 16), (24, 17))
"""ncnn's numbers of positions before and behind a map along w, h and d."""
_NAMES = {1: "1D", 2: "", 3: "3D"}


@to_ncnn(Convolution)
def convolution(layer: Layer[Convolution], graph: LayerGraph, *bottoms: str) -> Any:
    """One kernel for any number of bottoms."""
    return _for_each(layer, graph, "Convolution", bottoms)


@to_ncnn(DepthwiseConvolution)
def depthwise_convolution(
    layer: Layer[DepthwiseConvolution], graph: LayerGraph, *bottoms: str
) -> Any:
    """A convolution with as many groups as channels."""
    return convolution(as_convolution(layer), graph, *bottoms)


@to_ncnn(Deconvolution)
def deconvolution(layer: Layer[Deconvolution], graph: LayerGraph, *bottoms: str) -> Any:
    """The same for the gradient of a convolution; ncnn has the kernel's outputs first."""
    kernel, group = graph.blobs[0], layer.params.group
    parts = kernel.reshape(group, -1, *kernel.shape[1:]).swapaxes(1, 2)
    turned = dataclasses.replace(graph, blobs=[parts, *graph.blobs[1:]])
    return _for_each(layer, turned, "Deconvolution", bottoms)


@to_ncnn(Convolution3D, Deconvolution3D)
def convolution3d(layer: Layer[Convolution3D], graph: LayerGraph, x: str) -> Any:
    """BVLC Caffe's of three axes."""
    plain = plain_convolution(layer)
    write = deconvolution if isinstance(plain.params, Deconvolution) else convolution
    return write(plain, graph, x)


@to_ncnn(Im2col)
def im2col(layer: Layer[Im2col], graph: LayerGraph, x: str) -> str:
    """A convolution whose kernels have a single 1 each."""
    kernel = eye_kernel(layer.params, layer.bottoms[0].shape or ())
    outputs = len(kernel)
    return _convolved(layer, graph, "Convolution", x, [kernel], outputs, outputs // kernel[0].size)


def _for_each(
    layer: Layer[BaseConvolution], graph: LayerGraph, op_type: str, bottoms: tuple[str, ...]
) -> Any:
    params = layer.params
    weights = graph.blobs[: 1 + params.bias_term]
    tops = tuple(
        _convolved(layer, graph, op_type, x, weights, params.num_output, params.group)
        for x in bottoms
    )
    return tops if len(tops) > 1 else tops[0]


def _convolved(
    layer: Layer[Windowed],
    graph: LayerGraph,
    op_type: str,
    x: str,
    weights: Sequence[Array],
    outputs: int,
    group: int,
) -> str:
    params, shape = layer.params, layer.bottoms[0].shape or ()
    axis = canonical_axis(params.axis, len(shape))
    count = len(shape) - axis - 1
    if axis != 1 or count not in _NAMES:
        raise UnsupportedLayerError(
            f"axis: {params.axis} of a blob of {len(shape)} axes; ncnn's windows have 1 to 3 axes "
            "behind the channels"
        )
    settings = {0: outputs, 5: len(weights) - 1, 6: int(np.prod(weights[0].shape))}
    for field, numbers in _FIELDS.items():
        settings |= zip(numbers, reversed(params.along(field, count)), strict=False)
    before = params.along("pad", count)
    ends = before if op_type == "Deconvolution" else _ends(params, graph, shape, count)
    for pads, *sides in zip(_PADS, reversed(before), reversed(ends), strict=False):
        settings |= zip(pads, sides, strict=True)
    if group > 1:
        settings[7] = group
    name = f"{op_type}{'DepthWise' if group > 1 else ''}{_NAMES[count]}"
    return graph.add(name, x, settings=settings, weights=weights, tagged=True)


def _ends(
    params: Windowed, graph: LayerGraph, shape: Sequence[int | None], count: int
) -> tuple[int, ...]:
    """Positions behind the map along each axis."""
    over = past_the_end(params, graph.declared[0])
    if any(over) and None in shape[2:]:
        raise NeedsSizes("its window reaches past the end of the map; fix the input's size")
    return tuple(pad + more for pad, more in zip(params.along("pad", count), over, strict=True))
