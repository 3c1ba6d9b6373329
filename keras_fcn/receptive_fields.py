"""Which pixels of the image a cell of a map sees.

Source of the arithmetic: Dumoulin and Visin, "A guide to convolution arithmetic for deep
learning", 2016; in Caffe, ``coord_map.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from keras_fcn import layers as caffe
from keras_fcn.calls import calls
from keras_fcn.layers.elementwise import Elementwise


@dataclass(frozen=True)
class Extent:
    """What a row of cells sees along one axis of the image.

    Cell i sees the pixels ``first + i * stride`` to ``last + i * stride``, which may lie
    outside the image: there the network saw padding.

    Attributes:
        first: first pixel of cell 0.
        last: last pixel of cell 0.
        stride: pixels from one cell to the next.
    """

    first: Fraction = Fraction(0)
    last: Fraction = Fraction(0)
    stride: Fraction = Fraction(1)

    @property
    def size(self) -> float:
        """Pixels that a cell sees."""
        return float(self.last - self.first + 1)

    @property
    def offset(self) -> float:
        """The pixel at the centre of cell 0."""
        return float(self.first + self.last) / 2

    def windows(self, length: int, stride: int = 1, before: int = 0, dilation: int = 1) -> Extent:
        """What windows over these cells see; ``before``: cells of padding in front."""
        first = self.first - before * self.stride
        reach = self.last + ((length - 1) * dilation - before) * self.stride
        return Extent(first, reach, self.stride * stride)

    def spread(self, length: int, stride: int, cut: int = 0) -> Extent:
        """What the cells see that windows are written to; ``cut``: cells cut off in front."""
        step = self.stride / stride
        return Extent(self.first + (cut - length + 1) * step, self.last + cut * step, step)

    def shifted(self, cells: int) -> Extent:
        """The cells from a later one on."""
        return Extent(
            self.first + cells * self.stride, self.last + cells * self.stride, self.stride
        )

    def exact(self, cells: int, image: int, crop: int) -> npt.NDArray[np.bool_]:
        """For each cell whether a crop gives it the same value as the whole image does.

        The crop of cell i begins at pixel ``i * stride``. A cell that sees no padding on the
        crop is the same; one that does is so only where the image ends too.

        Args:
            cells: cells along the axis.
            image: pixels of the image.
            crop: pixels of the crop.
        """
        starts = [i * self.stride for i in range(cells)]
        before = [self.first >= 0 or start == 0 for start in starts]
        behind = [self.last < crop or start + crop == image for start in starts]
        return np.logical_and(before, behind)


@dataclass(frozen=True)
class ReceptiveField:
    """What the cells of a map see of the image, down and across.

    Attributes:
        height: along the image's height.
        width: along its width.
    """

    height: Extent
    width: Extent

    @property
    def size(self) -> tuple[float, float]:
        """Pixels that a cell sees, (height, width)."""
        return self.height.size, self.width.size

    @property
    def stride(self) -> tuple[float, float]:
        """Pixels from one cell to the next, (down, across)."""
        return float(self.height.stride), float(self.width.stride)

    @property
    def offset(self) -> tuple[float, float]:
        """Pixel at the centre of cell (0, 0): (row, column)."""
        return self.height.offset, self.width.offset

    def exact(
        self, cells: tuple[int, int], image: tuple[int, int], crop: tuple[int, int]
    ) -> npt.NDArray[np.bool_]:
        """Where a map over the image equals what classifying every crop by itself gives.

        Args:
            cells: rows and columns of the map.
            image: height and width of the image in pixels.
            crop: height and width of the classifier's input; the crop of cell (i, j) begins
                at pixel (i, j) times the stride.

        Returns:
            (rows, columns): True where both are equal; elsewhere padding makes them differ.
        """
        rows = self.height.exact(cells[0], image[0], crop[0])
        columns = self.width.exact(cells[1], image[1], crop[1])
        return rows[:, None] & columns[None]


_Field = tuple[Extent, Extent]


def receptive_field(model: keras.Model) -> dict[str, ReceptiveField | None]:
    """What every blob of a network sees of the image.

    Args:
        model: a functional or sequential model on images (N, H, W, C).

    Returns:
        Blob name (Caffe's, where the model knows it, else the layer's) -> its receptive
        field; None where each cell sees the whole image, or a layer is not known. A cell
        that sums branches sees what any of them sees.

    Raises:
        ValueError: the model is not a graph of layers.
    """
    fields: dict[int, _Field | None] = {}
    named: dict[tuple[str, int], _Field | None] = {}
    for tensor in model.inputs:
        fields[id(tensor)] = (Extent(), Extent()) if len(tensor.shape) == 4 else None
    for operation, inputs, outputs, _ in calls(model):
        if inputs:
            found = _followed(operation, [fields[id(x)] for x in inputs], inputs, outputs)
            fields.update({id(x): found if len(x.shape) == 4 else None for x in outputs})
        named.update({(operation.name, i): fields[id(x)] for i, x in enumerate(outputs)})
    info = getattr(model, "caffe", None)
    places = dict(info.blobs) if info is not None and info.blobs else {}
    places = places or {name: (name, 0) for name, index in named if index == 0}
    return {
        name: ReceptiveField(*field) if (field := named.get(tuple(place))) else None
        for name, place in places.items()
    }


def output_field(model: keras.Model) -> ReceptiveField | None:
    """The receptive field of a network's (first) output; None where it is not known."""
    history = model.outputs[0]._keras_history
    bare = keras.Model(model.inputs, model.outputs[0])
    return receptive_field(bare).get(history.operation.name)


def _followed(
    operation: Any, fields: Sequence[_Field | None], inputs: Sequence[Any], outputs: Sequence[Any]
) -> _Field | None:
    rule = next((_RULES[cls] for cls in type(operation).__mro__ if cls in _RULES), None)
    if rule is None:
        return None
    if rule is _crop:
        fields = fields[:1]  # the second bottom gives its shape only
    joined = _joined(fields)
    if joined is None:
        return None
    steps = rule(operation, inputs[0], outputs[0])
    if steps is None:
        return None
    height, width = (step(extent) for step, extent in zip(steps, joined, strict=True))
    return height, width


def _joined(fields: Sequence[_Field | None]) -> _Field | None:
    """What cells see that read several blobs at the same place."""
    known = [field for field in fields if field is not None]
    if len(known) < len(fields) or any(
        {extent.stride for extent in axis} != {axis[0].stride} for axis in zip(*known, strict=True)
    ):
        return None
    height, width = (
        Extent(min(e.first for e in axis), max(e.last for e in axis), axis[0].stride)
        for axis in zip(*known, strict=True)
    )
    return height, width


_Step = Callable[[Extent], Extent]
_Rule = Callable[[Any, Any, Any], Sequence[_Step] | None]


def _in_place(layer: Any, x: Any, y: Any) -> Sequence[_Step]:
    return [partial(Extent.shifted, cells=0)] * 2


def _windows(*axes: tuple[int, int, int, int]) -> Sequence[_Step]:
    """Windows of (length, stride, padding before, dilation) along each axis."""
    return [
        partial(Extent.windows, length=length, stride=stride, before=before, dilation=dilation)
        for length, stride, before, dilation in axes
    ]


def _shifts(cells: Sequence[int]) -> Sequence[_Step]:
    return [partial(Extent.shifted, cells=count) for count in cells]


def _convolution(layer: Any, x: Any, y: Any) -> Sequence[_Step] | None:
    sizes = zip(x.shape[1:3], layer.kernel_size, layer.strides, layer.dilation_rate, strict=True)
    return _stock_windows(sizes, layer.padding)


def _stock_pooling(layer: Any, x: Any, y: Any) -> Sequence[_Step] | None:
    sizes = zip(x.shape[1:3], layer.pool_size, layer.strides, (1, 1), strict=True)
    return _stock_windows(sizes, layer.padding)


def _stock_windows(
    axes: Iterable[tuple[int | None, int, int, int]], padding: str
) -> Sequence[_Step] | None:
    """Windows padded as TensorFlow does, which with strides depends on the size."""
    found = []
    for size, length, stride, dilation in axes:
        before = 0
        if padding == "same":
            if stride > 1 and size is None:
                return None
            left = stride if size is None else size % stride or stride
            before = max((length - 1) * dilation + 1 - left, 0) // 2
        found.append((length, stride, before, dilation))
    return _windows(*found)


def _own_convolution(layer: Any, x: Any, y: Any) -> Sequence[_Step] | None:
    if layer.axis not in (1, -3):
        return None
    return _windows(*((a.length, a.stride, a.pad, a.dilation) for a in layer._spatial(2)))


def _pooling(layer: Any, x: Any, y: Any) -> Sequence[_Step] | None:
    if layer.pool_size is None:
        return None
    axes = zip(layer.pool_size, layer.strides, layer.padding, strict=True)
    return _windows(*((length, stride, pad, 1) for length, stride, pad in axes))


def _dense_pooling(layer: Any, x: Any, y: Any) -> Sequence[_Step]:
    fields = (layer.pool_size, layer.strides, layer.padding, layer.dilation_rate)
    return _windows(*zip(*fields, strict=True))


def _deconvolution(layer: Any, x: Any, y: Any) -> Sequence[_Step] | None:
    axes = layer._spatial(2)
    if layer.axis not in (1, -3) or any(axis.dilation > 1 for axis in axes):
        return None
    return [partial(Extent.spread, length=a.length, stride=a.stride, cut=a.pad) for a in axes]


def _upsampling(layer: Any, x: Any, y: Any) -> Sequence[_Step] | None:
    if layer.interpolation != "nearest":
        return None
    return [partial(Extent.spread, length=size, stride=size) for size in layer.size]


def _zero_padding(layer: Any, x: Any, y: Any) -> Sequence[_Step]:
    return _shifts([-before for before, _ in layer.padding])


def _cropping(layer: Any, x: Any, y: Any) -> Sequence[_Step]:
    return _shifts([before for before, _ in layer.cropping])


def _crop(layer: Any, x: Any, y: Any) -> Sequence[_Step]:
    return _shifts((0, 0, 0, *layer._params.offsets(4))[-2:])


def _local_response(layer: Any, x: Any, y: Any) -> Sequence[_Step]:
    if layer.norm_region == "across_channels":
        return _in_place(layer, x, y)
    axis = (layer.local_size, 1, (layer.local_size - 1) // 2, 1)
    return _windows(axis, axis)


_RULES: Mapping[type, _Rule] = {
    **dict.fromkeys(
        (
            *(layers.Activation, layers.Add, layers.Average, layers.BatchNormalization),
            *(layers.Concatenate, layers.Dense, layers.Dropout, layers.ELU, layers.Identity),
            *(layers.InputLayer, layers.LeakyReLU, layers.Maximum, layers.Minimum),
            *(layers.Multiply, layers.PReLU, layers.ReLU, layers.Rescaling, layers.Softmax),
            *(layers.SpatialDropout2D, layers.Subtract),
            *(caffe.BatchNorm, caffe.Bias, caffe.Eltwise, Elementwise, caffe.PReLU),
            *(caffe.PixelwiseSoftmax, caffe.Scale),
        ),
        _in_place,
    ),
    **dict.fromkeys((layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D), _convolution),
    **dict.fromkeys((layers.MaxPooling2D, layers.AveragePooling2D), _stock_pooling),
    **dict.fromkeys((caffe.CaffeAveragePooling2D, caffe.CaffeMaxPooling2D), _pooling),
    caffe.Convolution: _own_convolution,
    caffe.Crop: _crop,
    caffe.Deconvolution: _deconvolution,
    caffe.DensePooling2D: _dense_pooling,
    caffe.LocalResponseNormalization: _local_response,
    layers.Cropping2D: _cropping,
    layers.UpSampling2D: _upsampling,
    layers.ZeroPadding2D: _zero_padding,
}
