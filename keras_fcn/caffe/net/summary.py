"""A network in one line, and as a table in notebooks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from keras_fcn.text_tables import html_table

if TYPE_CHECKING:
    from keras_fcn.caffe.net.layer import Blob, Layer

__all__ = ["Summarized"]


class Summarized:
    """What a network shows of itself."""

    name: str
    layers: tuple[Layer, ...]
    inputs: tuple[Blob, ...]
    outputs: tuple[Blob, ...]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.summary()}>"

    def summary(self) -> str:
        """Name, number of layers, inputs with their shapes, outputs."""
        count = f"{len(self.layers)} layer{'' if len(self.layers) == 1 else 's'}"
        inputs = f"inputs {_blobs(self.inputs) or 'none'}"
        outputs = f"outputs {', '.join(blob.name for blob in self.outputs) or 'none'}"
        return f"{self.name!r}: {count}, {inputs}, {outputs}"

    def _repr_html_(self) -> str:
        rows = [
            (
                layer.name,
                layer.type,
                ", ".join(blob.name for blob in layer.bottoms),
                _blobs(layer.tops),
                " ".join(map(_shape, layer.weight_shapes or ())),
            )
            for layer in self.layers
        ]
        titles = ("layer", "type", "bottoms", "tops", "parameters")
        return html_table(rows, titles, caption=self.summary())


def _blobs(blobs: Iterable[Blob]) -> str:
    return ", ".join(f"{blob.name} {_shape(blob.shape)}" for blob in blobs)


def _shape(shape: Iterable[int | None] | None) -> str:
    if shape is None:
        return "?"
    return "x".join("?" if size is None else str(size) for size in shape) or "scalar"
