"""Blobs as pycaffe shows them: arrays in Caffe's order that may be written to."""

from __future__ import annotations

import math
import operator
import weakref
from typing import Any

import keras
import numpy as np

from keras_fcn.caffe.layers.base import Array
from keras_fcn.inference.inspection import to_caffe_order, to_channels_last

Sizes = tuple[int, ...]
_LEGACY_AXES = 4


class Memory:
    """Content of one memory of Caffe's: an array, or the tensor that a pass gave.

    A tensor becomes an array when it is asked for. An array that somebody holds is written
    to by later passes, as in pycaffe, as long as its size stays.
    """

    def __init__(self) -> None:
        self._array: Array | None = None
        self._given: Any = None

    def array(self, shape: Sizes, filled: float = 0.0) -> Array:
        """The content as a writable array of this shape, and in Caffe's order.

        Args:
            shape: its shape.
            filled: what it holds where nothing has been given, or the size has grown; of one that
                has shrunk the first elements stay.
        """
        if self._given is not None:
            self._take(self._given)
        count = math.prod(shape)
        if self._array is None or self._array.size < count:
            self._array = np.full(count, filled, np.float32)
        elif self._array.size > count:
            self._array = self._array[:count].copy()
        return self._array.reshape(shape)

    def tensor(self, shape: Sizes) -> Any:
        """The content in Keras' order, independent of later writes."""
        given = self._given
        if given is not None and caffe_shape(given) == shape:
            return given
        return np.array(to_channels_last(self.array(shape)), np.float32, order="C")

    def give(self, tensor: Any) -> None:
        """Take over what a pass gave, in Keras' order."""
        self._given = tensor
        if self._array is None:
            return
        held = weakref.ref(self._array)
        self._array = None  # its memory goes, unless somebody looks at it
        array = held()
        if array is not None and array.size == math.prod(tensor.shape):
            self._array = array
            self._take(tensor)

    def _take(self, tensor: Any) -> None:
        shape = caffe_shape(tensor)
        self._given = None
        self.array(shape)[...] = to_caffe_order(keras.ops.convert_to_numpy(tensor))


def caffe_shape(tensor: Any) -> Sizes:
    """Shape in Caffe's order of a tensor in Keras'."""
    shape = tuple(map(int, tensor.shape))
    return (shape[0], shape[-1], *shape[1:-1]) if len(shape) > 2 else shape


def keras_shape(shape: Sizes) -> Sizes:
    """Shape in Keras' order of a blob in Caffe's."""
    return (shape[0], *shape[2:], shape[1]) if len(shape) > 2 else shape


class Sized:
    """What has a shape in Caffe's axis order."""

    _shape: Sizes

    @property
    def shape(self) -> Sizes:
        """Sizes in Caffe's axis order."""
        return self._shape

    @property
    def count(self) -> int:
        """How many elements it has."""
        return math.prod(self._shape)

    @property
    def num(self) -> int:
        """Size of the first axis, for data the batch."""
        return self._legacy(0)

    @property
    def channels(self) -> int:
        """Size of the second axis, 1 where there is none."""
        return self._legacy(1)

    @property
    def height(self) -> int:
        """Size of the third axis, 1 where there is none."""
        return self._legacy(2)

    @property
    def width(self) -> int:
        """Size of the fourth axis, 1 where there is none."""
        return self._legacy(3)

    def _legacy(self, axis: int) -> int:
        """One of the four sizes that all blobs had once; axes that are missing have 1."""
        if len(self._shape) > _LEGACY_AXES:
            raise ValueError(
                "num, channels, height and width are for blobs of up to 4 axes; see shape. "
                f"Received: {self._shape}"
            )
        return self._shape[axis] if axis < len(self._shape) else 1


class Blob(Sized):
    """A blob of a `Net`; see Caffe's `Blob`.

    Attributes:
        name: its name.
        loss_weight: what its `diff` holds until something else is written there.
    """

    def __init__(self, name: str, memory: Memory, loss_weight: float = 0.0) -> None:
        self.name = name
        self.loss_weight = loss_weight
        self.memory = memory
        self.gradient = Memory()
        self._shape: Sizes = (0,)

    @property
    def data(self) -> Array:
        """The content, float32 of the blob's shape. Writing to it changes the blob.

        It is the blob's own memory: later passes write to it, until the blob gets another size.
        """
        return self.memory.array(self._shape)

    @data.setter
    def data(self, value: Any) -> None:
        self.data[...] = value

    @property
    def diff(self) -> Array:
        """The gradient, like `data`. Of the outputs it says where `Net.backward` starts from."""
        return self.gradient.array(self._shape, self.loss_weight)

    @diff.setter
    def diff(self, value: Any) -> None:
        self.diff[...] = value

    def reshape(self, *shape: int) -> None:
        """Give the blob another shape; `Net.reshape` and `Net.forward` tell the others of it.

        Args:
            *shape: sizes in Caffe's axis order, batch first.

        Raises:
            ValueError: a size is negative.
        """
        sizes = tuple(map(operator.index, shape))
        if min(sizes, default=0) < 0:
            raise ValueError(f"sizes of blob {self.name!r} must be at least 0. Received: {sizes}")
        self._shape = sizes

    def __repr__(self) -> str:
        return f"<Blob {self.name!r} {self._shape}>"
