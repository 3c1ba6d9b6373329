"""A blob of the Caffe network being written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_fcn.layers._axes import channels_first_shape

Margins = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Blob:
    """A blob, and how it stands to the Keras tensor that it is.

    Attributes:
        name: Caffe's name.
        shape: Caffe's shape.
        margins: zeros around its spatial axes that are still to be made; empty: none.
        order: where Keras has the elements of an image in another order, or in other
            axes: an array of the Keras shape without the batch, of their positions here.
        flatten: name of the layer that brings the elements into those axes, if one is needed.
        parts: lengths of the vectors that were joined to one in several orders.
    """

    name: str
    shape: tuple[int, ...]
    margins: Margins = ()
    order: Any = None
    flatten: str = ""
    parts: tuple[int, ...] = ()

    @property
    def final_shape(self) -> tuple[int, ...]:
        """Caffe's shape once margins and axes are made."""
        if self.order is not None:
            return channels_first_shape((self.shape[0], *self.order.shape))
        sizes = zip(self.shape[2:], self.margins, strict=False)
        padded = tuple(size + before + after for size, (before, after) in sizes)
        return (*self.shape[:2], *padded) if self.margins else self.shape

    @property
    def places(self) -> Any:
        """Indices here of Keras' elements of an image: an array of the Keras shape."""
        if self.order is not None:
            return self.order
        places = np.arange(math.prod(self.shape[1:])).reshape(self.shape[1:])
        return np.moveaxis(places, 0, -1) if places.ndim > 1 else places

    @property
    def raw(self) -> Blob:
        """The blob as Caffe has it."""
        return Blob(self.name, self.shape)

    def arranged(self, values: Any) -> Any:
        """Values of a vector's elements, along the last axis, in the order they have here."""
        if self.order is None:
            return values
        result = np.empty_like(values)
        result[..., self.order] = values
        return result


def in_order(places: Any) -> bool:
    """Whether places are those of a blob as it is."""
    return np.array_equal(places.ravel(), np.arange(places.size))


def same_places(one: Blob, other: Blob) -> bool:
    """Whether Keras' elements are at the same positions in both."""
    return one.shape == other.shape and (
        one.order is other.order or np.array_equal(one.places, other.places)
    )


def array(weight: Any) -> Any:
    """A weight's numbers."""
    return keras.ops.convert_to_numpy(weight)
