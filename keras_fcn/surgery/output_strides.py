"""Denser maps with the same weights: strides become dilations (a trous).

Source: Chen et al., "Semantic Image Segmentation with Deep Convolutional Nets, Atrous
Convolution, and Fully Connected CRFs", 2015; that it equals shift-and-stitch: Long,
Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation", 2015.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
from keras import layers

from keras_fcn import layers as caffe
from keras_fcn.core.card import Card
from keras_fcn.errors import ModelError
from keras_fcn.graph.calls import Call, calls
from keras_fcn.layers.elementwise import Elementwise
from keras_fcn.surgery.rebuilding import Rebuild


class _Grid(NamedTuple):
    """Cells of a new map: pixels apart, and how many of them one cell of the old map is."""

    stride: int = 1
    dilation: int = 1


_Rule = Callable[["_Dense", Call, _Grid], tuple[Any, int]]
"""(rebuild, call, grid) -> the new layer, and the layer's own stride."""


def with_output_stride(model: keras.Model, output_stride: int) -> keras.Model:
    """A model whose map is denser, with the same layers, names and weights.

    From where the network's cells would stand more than ``output_stride`` pixels apart,
    strides are taken out, and the windows of all later layers get gaps instead. Every
    cell of the old map stands in the new one, at the multiples of the ratio of strides;
    those in between are what the network gives on the image shifted (with padding:
    shifted inside of it). At output stride 1 the map is that of shift-and-stitch.

    Args:
        model: a fully convolutional network, sequential or functional.
        output_stride: pixels from one cell of the map to the next: a divisor of what the
            network has, such as 16, 8, 4 or 1.

    Returns:
        A new model with its own variables, named like the old one.

    Raises:
        ModelError: (a ``CaffeError`` and a ``ValueError``) the strides do not come to
            ``output_stride``, or a layer behind that point has no form with gaps:
            upsampling, global pooling, Flatten.
    """
    if output_stride < 1:
        raise ValueError(f"output_stride must be at least 1. Received: {output_stride}")
    dense = _Dense(model, output_stride)
    for call in calls(model):
        dense.take(call)
    reached = {dense.grids[id(x)].stride for x in model.outputs}
    if reached != {output_stride}:
        raise ModelError(
            f"the network's own strides come to {sorted(reached)} pixels. "
            f"Received: output_stride={output_stride}"
        )
    return dense.result(model.name)


class _Dense(Rebuild):
    """The new graph, and where the cells of its maps are.

    Attributes:
        grids: id of an old tensor -> where its cells are now.
        overhangs: id of an old tensor -> the layers before it whose windows reach past the
            map, which without strides gives more cells than the old map has.
    """

    def __init__(self, model: keras.Model, output_stride: int) -> None:
        super().__init__(model)
        self.output_stride = output_stride
        self.grids: dict[int, _Grid] = {}
        self.overhangs: dict[int, frozenset[str]] = {}

    def card(self, new: keras.Model, card: Card, places: Mapping[str, Any]) -> Card:
        cells = None
        if card.tiles is not None:
            shape = (1, *card.tiles.size, new.inputs[0].shape[-1])
            cells = tuple(new.compute_output_shape(shape)[1:3])
        return card.for_output_stride(places, cells)

    def take(self, call: Call) -> None:
        if not call.inputs:
            self.start(call, call.outputs[0].shape[1:])
            self.grids[id(call.outputs[0])] = _Grid()
            self.overhangs[id(call.outputs[0])] = frozenset()
            return
        grid = self.grids[id(call.inputs[0])]
        if any(self.grids[id(x)] != grid for x in call.inputs):
            raise self.refused(call, "reads maps of different strides")
        rule = next((_RULES[c] for c in type(call.operation).__mro__ if c in _RULES), None)
        if rule is None and grid.dilation > 1:
            raise self.refused(call, "has no form with gaps between the cells")
        layer, stride = rule(self, call, grid) if rule else (self.copy(call.operation), 1)
        before = {id(x): self.tensors[id(x)] for x in call.inputs}
        overhang = self.cut(call)
        self.apply(call, layer)
        self.tensors.update(before)
        kept = self.kept(call, stride, grid)
        after = _Grid(grid.stride * kept, grid.dilation * stride // kept)
        self.grids.update({id(x): after for x in call.outputs})
        if max(getattr(layer, "overhang", (0, 0))) > 0:
            overhang |= {layer.name}
        self.overhangs.update({id(x): overhang for x in call.outputs})

    def cut(self, call: Call) -> frozenset[str]:
        """Cut maps that a call joins to one size, where some have cells past the others' end.

        No cell of the old map is among those: there the maps had one size.
        """
        found = [self.overhangs[id(x)] for x in call.inputs]
        if len(set(found)) > 1:
            cut = caffe.CommonSize(name=f"{call.operation.name}_common")
            maps = cut([self.tensors[id(x)] for x in call.inputs])
            self.tensors.update(zip(map(id, call.inputs), maps, strict=True))
        return frozenset().union(*found)

    def kept(self, call: Call, stride: int, grid: _Grid) -> int:
        """What is left of a layer's stride."""
        kept = min(stride, max(self.output_stride // grid.stride, 1))
        if stride % kept:
            raise ModelError(
                f"layer {call.operation.name!r} ({type(call.operation).__name__}): "
                f"a stride of {stride} on cells {grid.stride} pixels apart cannot come to "
                f"output_stride={self.output_stride}"
            )
        return kept

    def refused(self, call: Call, why: str) -> ModelError:
        return ModelError(
            f"layer {call.operation.name!r} ({type(call.operation).__name__}) {why}. "
            f"Received: output_stride={self.output_stride}"
        )


def _in_place(dense: _Dense, call: Call, grid: _Grid) -> tuple[Any, int]:
    return dense.copy(call.operation), 1


def _local_response(dense: _Dense, call: Call, grid: _Grid) -> tuple[Any, int]:
    if grid.dilation > 1 and call.operation.norm_region != "across_channels":
        raise dense.refused(call, "normalizes over neighbours, which have no form with gaps")
    return dense.copy(call.operation), 1


def _one_stride(dense: _Dense, call: Call, strides: tuple[int, ...]) -> int:
    if len(set(strides)) > 1:
        raise dense.refused(call, f"has strides {strides}, which differ")
    return strides[0]


def _convolution(dense: _Dense, call: Call, grid: _Grid) -> tuple[Any, int]:
    old = call.operation
    stride = _one_stride(dense, call, old.strides)
    kept = dense.kept(call, stride, grid)
    if (stride, grid.dilation) == (kept, 1):
        return dense.copy(old), stride
    if old.padding == "same" and (stride > 1 or any(k % 2 == 0 for k in old.kernel_size)):
        raise dense.refused(call, "pads both sides differently; give it explicit padding")
    rates = [rate * grid.dilation for rate in old.dilation_rate]
    config = {**old.get_config(), "strides": (kept, kept), "dilation_rate": rates}
    return dense.twin(old, type(old), config), stride


def _own_convolution(dense: _Dense, call: Call, grid: _Grid) -> tuple[Any, int]:
    old = call.operation
    axes = old._spatial(2)
    stride = _one_stride(dense, call, tuple(axis.stride for axis in axes))
    kept = dense.kept(call, stride, grid)
    changed = {
        "strides": kept,
        "padding": [axis.pad * grid.dilation for axis in axes],
        "dilation_rate": [axis.dilation * grid.dilation for axis in axes],
    }
    return dense.twin(old, type(old), {**old.get_config(), **changed}), stride


def _caffe_pooling(pool: str) -> _Rule:
    def rule(dense: _Dense, call: Call, grid: _Grid) -> tuple[Any, int]:
        old = call.operation
        if old.pool_size is None or len(call.outputs) > 1:
            raise dense.refused(call, "pools whole maps, or gives their places")
        stride = _one_stride(dense, call, old.strides)
        over = [0, 0]
        if old.round_mode == "ceil":
            over = [stride - 1] * 2
            if any(old.padding):  # Caffe drops windows that begin in the padding behind
                over = [
                    min(stride - 1, length - 1 - pad)
                    for length, pad in zip(old.pool_size, old.padding, strict=True)
                ]
        return _pooling(dense, call, grid, (pool, old.pool_size, stride, old.padding, over))

    return rule


def _stock_pooling(pool: str) -> _Rule:
    def rule(dense: _Dense, call: Call, grid: _Grid) -> tuple[Any, int]:
        old = call.operation
        stride = _one_stride(dense, call, old.strides)
        if old.padding != "valid" and (dense.kept(call, stride, grid), grid.dilation) != (
            stride,
            1,
        ):
            raise dense.refused(call, "needs padding='valid'")
        return _pooling(dense, call, grid, (pool, old.pool_size, stride, (0, 0), (0, 0)))

    return rule


def _pooling(
    dense: _Dense, call: Call, grid: _Grid, windows: tuple[str, Any, int, Any, Any]
) -> tuple[Any, int]:
    pool, pool_size, stride, padding, over = windows
    kept = dense.kept(call, stride, grid)
    if (kept, grid.dilation) == (stride, 1):
        return dense.copy(call.operation), stride
    config = {
        "name": call.operation.name,
        "pool": pool,
        "pool_size": pool_size,
        "strides": kept,
        "padding": [pad * grid.dilation for pad in padding],
        "dilation_rate": grid.dilation,
        "overhang": [cells * grid.dilation for cells in over],
    }
    return dense.twin(call.operation, caffe.DensePooling2D, config), stride


def _margins(field: str) -> _Rule:
    def rule(dense: _Dense, call: Call, grid: _Grid) -> tuple[Any, int]:
        old = call.operation
        sides = [[cells * grid.dilation for cells in side] for side in getattr(old, field)]
        return dense.twin(old, type(old), {**old.get_config(), field: sides}), 1

    return rule


_RULES: Mapping[type, _Rule] = {
    **dict.fromkeys(
        (
            *(layers.Activation, layers.Add, layers.Average, layers.BatchNormalization),
            *(layers.Concatenate, layers.Dropout, layers.ELU, layers.Identity),
            *(layers.LeakyReLU, layers.Maximum, layers.Minimum, layers.Multiply, layers.PReLU),
            *(layers.ReLU, layers.Rescaling, layers.Softmax, layers.SpatialDropout2D),
            *(layers.Subtract, caffe.BatchNorm, caffe.Bias, caffe.Eltwise, Elementwise),
            *(caffe.CommonSize, caffe.PReLU, caffe.PixelwiseSoftmax, caffe.Scale),
            caffe.ScaledBatchNorm,
        ),
        _in_place,
    ),
    **dict.fromkeys((layers.Conv2D, layers.DepthwiseConv2D), _convolution),
    caffe.CaffeAveragePooling2D: _caffe_pooling("average"),
    caffe.CaffeMaxPooling2D: _caffe_pooling("max"),
    caffe.Convolution: _own_convolution,
    caffe.LocalResponseNormalization: _local_response,
    layers.AveragePooling2D: _stock_pooling("average"),
    layers.Cropping2D: _margins("cropping"),
    layers.MaxPooling2D: _stock_pooling("max"),
    layers.ZeroPadding2D: _margins("padding"),
}
