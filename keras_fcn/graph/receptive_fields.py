"""Which pixels of the image a cell of a map sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from keras_fcn import layers as caffe
from keras_fcn.graph.calls import calls
from keras_fcn.graph.extent_rules import RULES
from keras_fcn.graph.extents import Extent


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
    rule = next((RULES[cls] for cls in type(operation).__mro__ if cls in RULES), None)
    if rule is None:
        return None
    if isinstance(operation, caffe.Crop):
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
