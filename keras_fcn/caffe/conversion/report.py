"""What a conversion tells: its layers and notes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from keras_fcn.caffe.records import dataclass
from keras_fcn.text_tables import html_table, text_table


@dataclass(frozen=True)
class LayerRow:
    """One converted layer, as the table shows it."""

    name: str
    keras_name: str
    type: str
    caffe_shapes: tuple[tuple[int, ...], ...]
    keras_shapes: tuple[tuple[int, ...], ...]

    @property
    def parameters(self) -> int:
        """Number of the layer's parameters."""
        return sum(math.prod(shape) for shape in self.caffe_shapes)


@dataclass(frozen=True)
class ConversionReport:
    """Report of a conversion.

    Attributes:
        source: the caffemodel.
        output: the HDF5 file, None where none was written.
        layers: the layers that have weights.
        notes: what a user should know, one line each.
    """

    source: str
    output: str | None
    layers: tuple[LayerRow, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return format_table(self.layers)

    def __repr__(self) -> str:
        written = f" -> {self.output}" if self.output else ""
        return f"<ConversionReport {self.source}{written}: {len(self.layers)} layers>"

    def _repr_html_(self) -> str:
        """A table of the layers, for notebooks."""
        titles, *rows = _cells(self.layers)
        return html_table(rows, titles, caption=repr(self)[1:-1])


def format_table(rows: Sequence[LayerRow]) -> str:
    """The layers as a plain table, as one prints `net.params`."""
    return text_table(_cells(rows), right=[-1])


def _cells(rows: Sequence[LayerRow]) -> Sequence[tuple[str, ...]]:
    """The table's cells, from the titles to the total."""

    def shapes(values: Sequence[tuple[int, ...]]) -> str:
        return " ".join("x".join(map(str, shape)) or "scalar" for shape in values)

    cells = [("layer", "type", "Caffe blobs", "Keras weights", "parameters")]
    cells += [
        (
            row.keras_name,
            row.type,
            shapes(row.caffe_shapes),
            shapes(row.keras_shapes),
            f"{row.parameters:,}",
        )
        for row in rows
    ]
    cells.append(("total", "", "", "", f"{sum(row.parameters for row in rows):,}"))
    return cells
