"""An ncnn graph as one layer adds to it.

ncnn has no batch: a tensor is a blob without its first axis, of one image. Its axes are called
w, h, d and c from the last on; the first of two is h, that of three or four c.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.layers.base import canonical_axis
from keras_fcn.caffe.nodes.graph import Array, NeedsSizes, Scope

Settings = Mapping[int, Any]
"""ncnn's numbers of a layer's settings -> their values: a number, or several."""

AXES = {1: "w", 2: "hw", 3: "chw", 4: "cdhw"}
"""Number of axes -> their names, in Caffe's order."""
SIZES = {"w": 0, "h": 1, "c": 2, "d": 11}
"""ncnn's numbers of sizes in Input, MemoryData and Reshape."""
_ORDERS = {
    2: ["wh", "hw"],
    3: ["whc", "hwc", "wch", "cwh", "hcw", "chw"],
    4: [
        *("whdc", "hwdc", "wdhc", "dwhc", "hdwc", "dhwc"),
        *("whcd", "hwcd", "wchd", "cwhd", "hcwd", "chwd"),
        *("wdch", "dwch", "wcdh", "cwdh", "dcwh", "cdwh"),
        *("hdcw", "dhcw", "hcdw", "chdw", "dchw", "cdhw"),
    ],
}
"""The orders of axes that ncnn's Permute numbers, from the last axis to the first."""
ADD, SUB, MUL, DIV, MAX, MIN = range(6)
"""ncnn's numbers of BinaryOp's functions."""


@dataclass
class LayerGraph(Scope):
    """ncnn's layers."""

    def add(
        self,
        op_type: str,
        *inputs: str,
        settings: Settings | None = None,
        weights: Sequence[Array] = (),
        tagged: bool = False,
    ) -> str:
        """Add a layer that makes one tensor.

        Args:
            op_type: the layer's type.
            *inputs: names of tensors.
            settings: its settings.
            weights: its arrays, float32, in ncnn's order.
            tagged: whether ncnn reads before the first of them how its numbers are stored.

        Returns:
            The name of the tensor.
        """
        (made,) = self.add_several(
            1, op_type, *inputs, settings=settings, weights=weights, tagged=tagged
        )
        return made

    def add_several(
        self,
        count: int,
        op_type: str,
        *inputs: str,
        settings: Settings | None = None,
        weights: Sequence[Array] = (),
        tagged: bool = False,
    ) -> tuple[str, ...]:
        """Add a layer that makes so many tensors; returns their names."""
        arrays = [np.ascontiguousarray(array, np.float32) for array in weights]
        tag = [np.zeros(1, np.float32)] if tagged else []
        return self.node(count, op_type, inputs, settings or {}, [*tag, *arrays])

    def copied(self, x: str) -> str:
        return self.add("Noop", x)

    def like(self, x: str, other: str, shape: Shape) -> str:
        return self.reshape(x, shape[1:])

    def constant(self, array: Array) -> str:
        """A tensor that is the same for every image."""
        array = np.atleast_1d(np.asarray(array, np.float32))
        return self.add("MemoryData", settings=self.sizes(array.shape), weights=[array])

    def sizes(self, shape: Sequence[int | None]) -> dict[int, int]:
        """A tensor's sizes as settings; 0 where one is not known.

        Raises:
            UnsupportedLayerError: ncnn has no tensors of so many axes.
        """
        if len(shape) > 4:
            raise UnsupportedLayerError(
                f"a blob of {len(shape) + 1} axes; ncnn has 4 of an image at most"
            )
        names = AXES[max(len(shape), 1)]
        return {SIZES[name]: size or 0 for name, size in zip(names, shape or (1,), strict=True)}

    def reshape(self, x: str, shape: Sequence[int | None]) -> str:
        """With other sizes, of which one may be unknown.

        Raises:
            NeedsSizes: more are.
        """
        if list(shape).count(None) > 1:
            raise NeedsSizes("it needs maps of known size; fix the input's")
        return self.add(
            "Reshape", x, settings=self.sizes([-1 if size is None else size for size in shape])
        )

    def permuted(self, x: str, axes: Sequence[int]) -> str:
        """Axes in another order: for each the old one, counted from the first behind the images."""
        if list(axes) == sorted(axes):
            return x
        names = AXES[len(axes)]
        order = "".join(names[axis] for axis in reversed(axes))
        return self.add("Permute", x, settings={0: _ORDERS[len(axes)].index(order)})

    def cropped(
        self, x: str, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int]
    ) -> str:
        """Positions `starts` to `ends` (not included) along some axes."""
        return self.add("Crop", x, settings={9: list(starts), 10: list(ends), 11: list(axes)})

    def scaled(self, x: str, scale: float = 1.0, shift: float = 0.0) -> str:
        """Times a number, plus another."""
        if scale != 1:
            x = self.by_number(x, MUL, scale)
        return x if shift == 0 else self.by_number(x, ADD, shift)

    def by_number(self, x: str, function: int, number: float) -> str:
        """A function of each element and a number."""
        return self.add("BinaryOp", x, settings={0: function, 1: 1, 2: float(number)})

    def by_tensor(self, x: str, function: int, other: str) -> str:
        """A function of the elements of two tensors of as many axes, some of size 1."""
        return self.add("BinaryOp", x, other, settings={0: function})

    def reduced(
        self, x: str, operation: int, axes: Sequence[int], coeff: float = 1.0, keep: bool = True
    ) -> str:
        """What a reduction makes of some axes, counted from the first behind the images."""
        every = {0: operation, 1: 0, 2: float(coeff), 3: list(axes), 4: int(keep), 5: 1}
        return self.add("Reduction", x, settings=every)


def image_axis(axis: int, rank: int) -> int:
    """An axis of a blob as one of its tensor.

    Raises:
        UnsupportedLayerError: it is the axis of the images.
    """
    place = canonical_axis(axis, rank)
    if place == 0:
        raise UnsupportedLayerError("axis: 0 are the images, and ncnn runs one at a time")
    return place - 1


def known_sizes(shape: Shape) -> tuple[int, ...]:
    """A tensor's sizes.

    Raises:
        NeedsSizes: one is not known.
    """
    sizes: list[Any] = list(shape[1:])
    if None in sizes:
        raise NeedsSizes("it needs maps of known size; fix the input's")
    return tuple(sizes)


def count(shape: Shape) -> int:
    """Elements of a tensor, see `known_sizes`."""
    return math.prod(known_sizes(shape))
