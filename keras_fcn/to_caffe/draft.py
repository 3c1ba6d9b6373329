"""The Caffe network being written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import LayerParams
from keras_fcn.layers._axes import channels_first_shape
from keras_fcn.to_caffe.blob import Blob, array, in_order, same_places
from keras_fcn.to_caffe.entries import Entries
from keras_fcn.to_caffe.transposing import axes_of, swaps, transposed
from keras_fcn.to_caffe.windows import convolution

__all__ = ["Blob", "Draft", "array"]


class Draft(Entries):
    """Layers and their parameter blobs, in order, and what has to stand between them.

    See `keras_fcn.to_caffe.entries.Entries` for its other attributes.

    Attributes:
        rounds_down: whether poolings may say that they round down, which Caffe 1.0 lacks.
    """

    rounds_down = False

    def input(self, name: str, shape: Sequence[int]) -> Blob:
        """Append an Input layer."""
        fields = {"shape": ({"dim": tuple(shape)},)}
        entry, _ = self.append("Input", name, (), 1, fields)
        return Blob(entry.name, tuple(shape))

    def add(
        self,
        kind: str | LayerParams,
        name: str,
        *bottoms: Blob,
        blobs: Sequence[Any] = (),
        weights: Sequence[Any] = (),
        constant: bool = False,
        tops: int = 1,
        loss_weight: Sequence[float] = (),
        propagate_down: Sequence[bool] = (),
        **fields: Any,
    ) -> tuple[Blob, ...]:
        """Append a layer; Caffe's own rules check it and give the tops' shapes.

        Args:
            kind: Caffe's type, or typed parameters, which need no fields.
            name: the layer's name, also that of its first top.
            *bottoms: what it reads.
            blobs: its parameters, in Caffe's layout.
            weights: its parameters as `from_caffe` holds them, in place of `blobs`.
            constant: whether these are fixed numbers, not weights of the model.
            tops: how many tops it has.
            loss_weight: factors of its tops in the objective.
            propagate_down: for each bottom whether the gradient passes.
            **fields: fields of its parameter message; of others with their message's name:
                `loss_param={...}`.
        """
        bottoms = tuple(self.plain(bottom) for bottom in bottoms)
        entry, params = self.append(
            kind,
            name,
            [bottom.name for bottom in bottoms],
            tops,
            fields,
            loss_weights=tuple(loss_weight),
            propagate_down=tuple(propagate_down),
        )
        shapes = params.top_shapes(tuple(bottom.shape for bottom in bottoms), tops)
        if weights:
            blobs = params.caffe_blobs(weights, None)
        self.keep(entry.name, blobs, constant=constant)
        return tuple(
            Blob(top, tuple(size or 0 for size in shape))
            for top, shape in zip(entry.tops, shapes, strict=False)
        )

    def one(self, kind: str | LayerParams, name: str, *bottoms: Blob, **options: Any) -> Blob:
        """Append a layer of one top."""
        return self.add(kind, name, *bottoms, **options)[0]

    def each(self, kind: str | LayerParams, name: str, *bottoms: Blob, **options: Any) -> Blob:
        """Append a layer that works on each element, whatever order they are in.

        Several bottoms have to be in the same one.
        """
        bottoms = tuple(self.padded(bottom) for bottom in bottoms)
        first = bottoms[0]
        if not all(same_places(first, other) for other in bottoms[1:]):
            return self.one(kind, name, *bottoms, **options)
        y = self.one(kind, name, *(bottom.raw for bottom in bottoms), **options)
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
        return vector if in_order(blob.order) else replace(vector, order=blob.order)

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
