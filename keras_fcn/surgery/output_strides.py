"""Denser maps with the same weights: strides become dilations (a trous).

Source: Chen et al., "Semantic Image Segmentation with Deep Convolutional Nets, Atrous
Convolution, and Fully Connected CRFs", 2015; that it equals shift-and-stitch: Long,
Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation", 2015.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import keras
from keras import layers

from keras_fcn import layers as caffe
from keras_fcn.caffe.layers.spatial import (
    FIRST,
    Resampled,
    Spatial,
    Unpooled,
    Whole,
    Windows,
)
from keras_fcn.caffe.layers.uniform import description
from keras_fcn.core.card import Card
from keras_fcn.errors import ModelError
from keras_fcn.graph.calls import Call, calls
from keras_fcn.graph.positions import own_numbers
from keras_fcn.graph.spatial import spatial_of
from keras_fcn.layers.known import entry
from keras_fcn.surgery import map_sizes
from keras_fcn.surgery.rebuilding import Rebuild


class _Grid(NamedTuple):
    """Positions of a new map: pixels apart, and how many of them one position of the old map is."""

    stride: Fraction = Fraction(1)
    dilation: int = 1


class _Change(NamedTuple):
    """New windows of a layer.

    Attributes:
        windows: as they were, along each axis.
        kept: what is left of their stride.
        dilation: positions of the new map that one position of the old one is.
    """

    windows: Sequence[Windows]
    kept: int
    dilation: int


_Rule = Callable[["_Dense", Call, _Change], Any]
"""(rebuild, call, change) -> the new layer."""


def with_output_stride(model: keras.Model, output_stride: int) -> keras.Model:
    """A model whose map is denser, with the same layers, names and weights.

    From where the network's positions would stand more than `output_stride` pixels apart,
    strides are taken out, and the windows of all later layers get gaps instead. Every
    position of the old map stands in the new one, at the multiples of the ratio of strides;
    those in between are what the network gives on the image shifted (with padding:
    shifted inside of it). At output stride 1 the map is that of shift-and-stitch.

    Args:
        model: a fully convolutional network, sequential or functional.
        output_stride: pixels from one position of the map to the next: a divisor of what the
            network has, such as 16, 8, 4 or 1.

    Returns:
        A new model with its own variables, named like the old one.

    Raises:
        ModelError: (a `CaffeError` and a `ValueError`) the strides do not come to
            `output_stride`, or a layer behind that point has no form with gaps: upsampling,
            pooling that gives the places of its maxima, unpooling, global pooling, Flatten.
    """
    if output_stride < 1:
        raise ValueError(f"output_stride must be at least 1. Received: {output_stride}")
    dense = _Dense(model, output_stride)
    for call in calls(model):
        dense.take(call)
    for tensor in model.outputs:
        dense.check_output(tensor)
    return dense.result(model.name)


class _Dense(Rebuild):
    """The new graph, and where the positions of its maps are.

    Attributes:
        grids: id of an old tensor -> where its positions are now; None: it has none.
        sizes: id of an old tensor -> rows and columns of the new one on images of some sizes, where
            it is a map and they are known.
        unknown: the layers behind which no position is known, each with the reason.
    """

    def __init__(self, model: keras.Model, output_stride: int) -> None:
        super().__init__(model)
        self.output_stride = output_stride
        self.grids: dict[int, _Grid | None] = {}
        self.sizes: dict[int, map_sizes.Sizes] = {}
        self.unknown: list[str] = []

    def card(self, new: keras.Model, card: Card, places: Mapping[str, Any]) -> Card:
        cells = None
        if card.tiles is not None:
            shape = (1, *card.tiles.size, new.inputs[0].shape[-1])
            cells = tuple(new.compute_output_shape(shape)[1:3])
        return card.for_output_stride(places, cells)

    def take(self, call: Call) -> None:
        """Carry one call over."""
        if not call.inputs:
            (image,) = call.outputs
            self.start(call, image.shape[1:])
            self.grids[id(image)] = _Grid() if len(image.shape) > FIRST + 1 else None
            self.sizes[id(image)] = map_sizes.of_images(self.output_stride)
            return
        if getattr(call.operation, "data_format", None) == "channels_first":
            raise self.refused(call, "has data_format='channels_first', which has no rule")
        found = {self.grids[id(x)] for x in call.inputs} - {None}
        if len(found) > 1:
            raise self.refused(call, "reads maps of different strides")
        grid = next(iter(found), None)
        layer, after = (self.copy(call.operation), None) if grid is None else self.moved(call, grid)
        before = {id(x): self.tensors[id(x)] for x in call.inputs}
        sizes = self.cut(call, grid)
        self.apply(call, layer)
        self.tensors.update(before)
        self.grids.update({id(x): after if len(x.shape) > FIRST else None for x in call.outputs})
        sizes = map_sizes.after(call, layer, sizes)
        self.sizes.update({id(x): sizes for x in call.outputs})

    def moved(self, call: Call, grid: _Grid) -> tuple[Any, _Grid | None]:
        """The layer that reads a map on a grid, and the grid of what it gives."""
        spatial = spatial_of(call)
        axes = spatial.axes(0, len(call.inputs[0].shape) - FIRST)
        windows = [axis for axis in axes if isinstance(axis, Windows)]
        if all(spatial_of(call, index).is_in_place for index in range(len(call.outputs))):
            if grid.dilation > 1 and (why := own_numbers(call)):
                raise self.refused(call, why)
            return self.copy(call.operation), grid
        if spatial.why or len(windows) < len(axes):
            if grid.dilation > 1:
                raise self.refused(call, f"{description(spatial)}, which has no form with gaps")
            return self.copy(call.operation), self.finer(call, spatial, grid)
        stride = windows[0].stride
        if any(axis.stride != stride for axis in windows):
            strides = tuple(axis.stride for axis in windows)
            raise self.refused(call, f"has strides {strides}, which differ")
        kept = self.kept(call, stride, grid)
        after = _Grid(grid.stride * kept, grid.dilation * stride // kept)
        if (kept, grid.dilation) == (stride, 1):
            return self.copy(call.operation), after
        rule = entry(call.operation, _RULES)
        if rule is None:
            raise self.refused(call, "has no form with gaps between the cells")
        return rule(self, call, _Change(windows, kept, grid.dilation)), after

    def finer(self, call: Call, spatial: Spatial, grid: _Grid) -> _Grid | None:
        """The grid of an upsampled map; None: it has no positions of the image."""
        axes = [axis for axis in spatial.every if not isinstance(axis, Whole)]
        if spatial.why:
            self.unknown.append(f"layer {_named(call)} {description(spatial)}")
        if spatial.why or not axes:
            return None
        steps = {_step(axis) for axis in axes}
        if len(steps) > 1 or None in steps:
            raise self.refused(call, "gives cells whose distance is not known, or differs")
        return _Grid(grid.stride * next(step for step in steps if step is not None))

    def cut(self, call: Call, grid: _Grid | None) -> map_sizes.Sizes:
        """Cut maps that a call joins to one size, where some have positions past the others' end.

        Sizes that agreed by rounding need not do so without strides. No position of the old
        map is among those cut off: there the maps had one size.
        """
        maps = [x for x in call.inputs if self.grids[id(x)] is not None]
        found = [self.sizes[id(x)] for x in maps]
        if len(maps) > 1 and grid is not None and grid.dilation > 1 and not map_sizes.agree(found):
            cut = caffe.CommonSize(name=f"{call.operation.name}_common")
            news = cut([self.tensors[id(x)] for x in maps])
            self.tensors.update(zip(map(id, maps), news, strict=True))
        return map_sizes.common(found)

    def kept(self, call: Call, stride: int, grid: _Grid) -> int:
        """Remaining stride of a layer."""
        kept = min(stride, max(int(self.output_stride // grid.stride), 1))
        if stride % kept:
            raise ModelError(
                f"layer {_named(call)}: "
                f"a stride of {stride} on cells {float(grid.stride):g} pixels apart cannot come to "
                f"output_stride={self.output_stride}"
            )
        return kept

    def check_output(self, tensor: Any) -> None:
        """Whether an output of the old model has become as dense as it should.

        Raises:
            ModelError: it has not.
        """
        grid = self.grids[id(tensor)]
        if grid is None or grid.stride != self.output_stride:
            own = "no map" if grid is None else f"{float(grid.stride * grid.dilation):g} pixels"
            dense = grid is not None and grid.dilation > 1
            left = f"; {float(grid.stride):g} of them can be left" if grid and dense else ""
            unknown = "".join(f"; {why}" for why in self.unknown) if grid is None else ""
            raise ModelError(
                f"the network's own strides come to {own} at its output "
                f"{tensor._keras_history.operation.name!r}{left}. "
                f"Received: output_stride={self.output_stride}{unknown}"
            )

    def refused(self, call: Call, why: str) -> ModelError:
        """The error that names a call's layer."""
        return ModelError(
            f"layer {_named(call)} {why}. Received: output_stride={self.output_stride}"
        )


def _named(call: Call) -> str:
    return f"{call.operation.name!r} ({type(call.operation).__name__})"


def _step(axis: Any) -> Fraction | None:
    """Old positions from one new position to the next."""
    if isinstance(axis, Unpooled):
        return None
    if isinstance(axis, Resampled):
        return axis.step
    return Fraction(axis.advance, axis.period)


def _convolution(dense: _Dense, call: Call, change: _Change) -> Any:
    old = call.operation
    uneven = any(axis.stride > 1 or axis.length % 2 == 0 for axis in change.windows)
    if old.padding == "same" and uneven:
        raise dense.refused(call, "pads both sides differently; give it explicit padding")
    rates = [axis.dilation * change.dilation for axis in change.windows]
    strides = [change.kept] * len(rates)
    config = {**old.get_config(), "strides": strides, "dilation_rate": rates}
    return dense.twin(old, type(old), config)


def _own_convolution(dense: _Dense, call: Call, change: _Change) -> Any:
    old = call.operation
    changed = {
        "strides": change.kept,
        "padding": [(axis.before or 0) * change.dilation for axis in change.windows],
        "dilation_rate": [axis.dilation * change.dilation for axis in change.windows],
    }
    return dense.twin(old, type(old), {**old.get_config(), **changed})


def _pooling(dense: _Dense, call: Call, change: _Change) -> Any:
    old = call.operation
    own = isinstance(old, caffe.DensePooling2D)
    pool = old.pool if own else next(_POOLS[c] for c in type(old).__mro__ if c in _POOLS)
    if len(call.outputs) > 1:
        raise dense.refused(call, "gives the places of its maxima, which has no form with gaps")
    if getattr(old, "padding", "valid") == "same":
        raise dense.refused(call, "needs padding='valid'")
    if isinstance(old, caffe.ExclusiveAveragePooling2D) and any(x.before for x in change.windows):
        raise dense.refused(call, "leaves padding out of its means, which has no form with gaps")
    config = {
        "name": old.name,
        "pool": pool,
        "pool_size": [axis.length for axis in change.windows],
        "strides": change.kept,
        "padding": [(axis.before or 0) * change.dilation for axis in change.windows],
        "dilation_rate": [axis.dilation * change.dilation for axis in change.windows],
        "overhang": [axis.overhang * change.dilation for axis in change.windows],
    }
    return dense.twin(old, caffe.DensePooling2D, config)


def _margins(field: str) -> _Rule:
    def rule(dense: _Dense, call: Call, change: _Change) -> Any:
        old = call.operation
        sides = [[cells * change.dilation for cells in side] for side in getattr(old, field)]
        return dense.twin(old, type(old), {**old.get_config(), field: sides})

    return rule


_POOLS: Mapping[type, str] = {
    caffe.CaffeAveragePooling2D: "average",
    caffe.CaffeMaxPooling2D: "max",
    caffe.DilatedMaxPooling2D: "max",
    caffe.ExclusiveAveragePooling2D: "average",
    layers.AveragePooling2D: "average",
    layers.MaxPooling2D: "max",
}
_RULES: Mapping[type, _Rule] = {
    **dict.fromkeys((layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D), _convolution),
    **dict.fromkeys((*_POOLS, caffe.DensePooling2D), _pooling),
    caffe.Convolution: _own_convolution,
    layers.Cropping2D: _margins("cropping"),
    layers.ZeroPadding2D: _margins("padding"),
}
"""Layer class with windows -> how it is made with gaps.

Subclasses that compute alike use their base's.
"""
