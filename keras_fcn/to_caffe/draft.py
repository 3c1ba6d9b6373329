"""The Caffe network being written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import LAYER_TYPES, Shape
from keras_fcn.caffe.proto import schema
from keras_fcn.caffe.proto.definitions import layer_definition
from keras_fcn.layers._axes import channels_first_shape
from keras_fcn.to_caffe.transposing import axes_of, swaps, transposed
from keras_fcn.to_caffe.windows import convolution

Margins = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Blob:
    """A blob, and how it stands to the Keras tensor that it is.

    Attributes:
        name: Caffe's name.
        shape: Caffe's shape.
        margins: zeros around its spatial axes that are still to be made; empty: none.
        order: where Keras has the elements of an image in another order, or in other
            axes: an array of the Keras shape without the batch, of their places here.
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
        """Where Keras' elements of an image are here: an array of the Keras shape."""
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


class Draft:
    """Layers and their parameter blobs, in order.

    Attributes:
        message: the NetParameter.
        blobs: layer name -> its parameter blobs.
        constants: names of layers whose blobs are no weights of the model.
    """

    def __init__(self, name: str) -> None:
        self.message = schema.new("NetParameter")
        self.message.name = name
        self.blobs: dict[str, list[Any]] = {}
        self.constants: set[str] = set()
        self._taken: set[str] = set()

    def input(self, name: str, shape: Sequence[int]) -> Blob:
        """Append an Input layer."""
        entry = self.message.layer.add(name=self._free(name), type="Input")
        entry.top.append(entry.name)
        entry.input_param.shape.add().dim.extend(shape)
        self._taken.add(entry.name)
        return Blob(entry.name, tuple(shape))

    def add(
        self,
        type: str,  # noqa: A002
        name: str,
        *bottoms: Blob,
        blobs: Sequence[Any] = (),
        weights: Sequence[Any] = (),
        constant: bool = False,
        tops: int = 1,
        **fields: Any,
    ) -> tuple[Blob, ...]:
        """Append a layer; Caffe's own rules check it and give the tops' shapes.

        Args:
            type: Caffe's type.
            name: the layer's name, also that of its first top.
            *bottoms: what it reads.
            blobs: its parameters, in Caffe's layout.
            weights: its parameters as ``from_caffe`` holds them, in place of ``blobs``.
            constant: whether these are fixed numbers, not weights of the model.
            tops: how many tops it has.
            **fields: fields of its parameter message; of others with their message's name:
                ``loss_param={...}``.
        """
        bottoms = tuple(self.plain(bottom) for bottom in bottoms)
        entry = self.message.layer.add()
        entry.name, entry.type = self._free(name), type
        entry.bottom.extend(bottom.name for bottom in bottoms)
        entry.top.extend([entry.name, *(f"{entry.name}_{i}" for i in range(1, tops))])
        self._taken.update(entry.top)
        params_class = LAYER_TYPES[type]
        for field, value in fields.items():
            if field == "loss_weight":
                entry.loss_weight.extend(value)
            elif field.endswith("_param"):
                _fill(getattr(entry, field), value)
            else:
                _fill(getattr(entry, str(params_class.message)), {field: value})
        params = params_class.read(layer_definition(entry))
        shapes = tuple(bottom.shape for bottom in bottoms)
        top_shapes: Sequence[Shape] = params.top_shapes(shapes, tops)
        if weights:
            blobs = params.caffe_blobs(weights, None)
        if len(blobs):
            self.blobs[entry.name] = [np.asarray(blob, np.float32) for blob in blobs]
        if type == "BatchNorm" or constant:  # nothing that training changes by gradients
            for _ in blobs:
                entry.param.add(lr_mult=0, decay_mult=0)
        if constant:
            self.constants.add(entry.name)
        return tuple(
            Blob(top, tuple(size or 0 for size in shape))
            for top, shape in zip(entry.top, top_shapes, strict=False)
        )

    def one(self, type: str, name: str, *bottoms: Blob, **options: Any) -> Blob:  # noqa: A002
        """Append a layer of one top."""
        return self.add(type, name, *bottoms, **options)[0]

    def each(self, type: str, name: str, *bottoms: Blob, **options: Any) -> Blob:  # noqa: A002
        """Append a layer that works on each element, whatever order they are in.

        Several bottoms have to be in the same one.
        """
        bottoms = tuple(self.padded(bottom) for bottom in bottoms)
        first = bottoms[0]
        if not all(same_places(first, other) for other in bottoms[1:]):
            return self.one(type, name, *bottoms, **options)
        y = self.one(type, name, *(bottom.raw for bottom in bottoms), **options)
        return replace(first, name=y.name)

    def padded(self, blob: Blob) -> Blob:
        """The blob with its margins made: an identity per channel does it."""
        if not blob.margins:
            return blob
        identity = np.ones((blob.shape[1], 1, *[1] * len(blob.margins)), np.float32)
        fields = convolution(identity, blob.margins, groups=blob.shape[1])
        return self.one("Convolution", f"{blob.name}_padded", blob.raw, constant=True, **fields)

    def made(self, blob: Blob) -> Blob:
        """The blob with its margins and axes made; a vector's elements may be in any order."""
        blob = self.padded(blob)
        if blob.order is None:
            return blob
        if blob.order.ndim > 1:
            return self.plain(blob)
        vector = self._shaped(blob.raw, blob.order.shape, blob.flatten)
        return vector if _in_order(blob.order) else replace(vector, order=blob.order)

    def plain(self, blob: Blob) -> Blob:
        """The blob as it is in Keras.

        Raises:
            UnsupportedLayerError: no transposition brings its elements into that order.
        """
        blob = self.padded(blob)
        if blob.order is None:
            return blob
        order, made = blob.order, blob.raw
        new = np.moveaxis(np.arange(order.size).reshape(order.shape), -1, 0).ravel()
        direct = axes_of(order.ravel()[new])
        # Else to Keras' order first, and from there to Caffe's.
        steps = [direct] if direct is not None else [axes_of(order.ravel()), axes_of(new)]
        if None in steps and blob.parts:
            return self._joined(blob)
        for axes in steps:
            if axes is None:
                raise UnsupportedLayerError(
                    "maps that were flattened, joined and brought into other axes have their "
                    "elements in another order in Caffe; join the maps before they are flattened"
                )
            made = transposed(self.one, blob.flatten, made, swaps(*axes))
        return self._shaped(made, channels_first_shape((0, *order.shape))[1:], blob.flatten)

    def _joined(self, blob: Blob) -> Blob:
        """A vector that was joined from several, each brought into Keras' order."""
        points = [int(point) for point in np.cumsum(blob.parts)]
        name = blob.name
        slices = self.add(
            "Slice", f"{name}_parts", blob.raw, tops=len(points), slice_point=points[:-1]
        )
        orders = np.split(blob.order, points[:-1])
        parts = [
            self.plain(replace(part, order=order - start, flatten=f"{name}_part"))
            for part, order, start in zip(slices, orders, [0, *points], strict=False)
        ]
        return self.one("Concat", f"{name}_ordered", *parts)

    def _shaped(self, blob: Blob, shape: tuple[int, ...], name: str) -> Blob:
        """A blob of that shape an image, its elements in the order they have."""
        if blob.shape[1:] == shape:
            return blob
        if len(shape) == 1 and len(blob.shape) > 2:
            return self.one("Flatten", name, blob)
        return self.one("Reshape", name, blob, shape=(0, *shape))

    def rearranged(self, blob: Blob, name: str, rearrange: Any) -> Blob:
        """The blob with its elements in other axes; a layer does it when one is needed."""
        blob = self.padded(blob)
        return replace(blob, order=rearrange(blob.places), flatten=name, parts=())

    def name_top(self, old: str, new: str) -> dict[str, str]:
        """Rename a blob; one that has the name already gives it up.

        Returns:
            Old name -> new name, of both.
        """
        changes = {old: new}
        if old == new:
            return changes
        if any(new in entry.top for entry in self.message.layer):
            changes[new] = self._free(f"{new}_inner")
            self._taken.add(changes[new])
        self._taken.add(new)
        for entry in self.message.layer:
            for side in (entry.bottom, entry.top):
                side[:] = [changes.get(name, name) for name in side]
        return changes

    def maker(self, top: str) -> Any:
        """The layer that makes a blob."""
        return next(entry for entry in self.message.layer if top in entry.top)

    def move_last(self, tops: Sequence[str]) -> None:
        """Bring blobs that nobody reads into an order; their layers go to the end."""
        made = [top for entry in self.message.layer for top in entry.top if top in tops]
        for top in tops if made != list(tops) else ():
            entry = self.maker(top)
            self.message.layer.add().CopyFrom(entry)
            self.message.layer.remove(entry)

    def _free(self, name: str) -> str:
        if name not in self._taken:
            return name
        count = len(self._taken)
        return next(f"{name}_{i}" for i in range(2, count + 3) if f"{name}_{i}" not in self._taken)


def _in_order(places: Any) -> bool:
    return np.array_equal(places.ravel(), np.arange(places.size))


def same_places(one: Blob, other: Blob) -> bool:
    """Whether Keras' elements are at the same places in both."""
    return one.shape == other.shape and (
        one.order is other.order or np.array_equal(one.places, other.places)
    )


def array(weight: Any) -> Any:
    """A weight's numbers."""
    return keras.ops.convert_to_numpy(weight)


def _fill(message: Any, fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        field = message.DESCRIPTOR.fields_by_name[name]
        if value is None:
            continue
        if field.message_type is not None and field.is_repeated:
            for one in value:
                _fill(getattr(message, name).add(), one)
        elif field.message_type is not None:  # a BlobShape
            getattr(message, name).dim.extend(value)
        elif isinstance(value, list | tuple):
            getattr(message, name).extend(value)
        elif field.enum_type is not None:
            setattr(message, name, field.enum_type.values_by_name[value].number)
        else:
            setattr(message, name, value)
