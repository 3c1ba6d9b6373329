"""A network that an engine has read from a file of its own, of whose layers nothing is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_fcn.cards.card import Card
from keras_fcn.engines.forms import Array, Form, Sizes
from keras_fcn.engines.running import channels_first, channels_last
from keras_fcn.engines.structure import Tensor, channels_last_shape
from keras_fcn.preprocessing.input_arrays import holds_boxes

__all__ = ["FileStructure"]

_CHANNELS = (1, 3, 4)
"""Of pictures."""


@dataclass(eq=False)
class FileStructure:
    """A file's inputs and outputs.

    Arrays are channels last whatever the file has: where it does not tell by the places of its
    free sizes, channels are where one of 1, 3 or 4 stands, in front before at the end.

    Attributes:
        path: the file.
        form: it in its engine.
        card: what it tells of its job.
    """

    path: Path
    form: Form
    card: Card

    steps: Sequence[Any] = ()

    def __post_init__(self) -> None:
        self.name = self.path.stem
        self._turns = not any(map(_is_last, self.form.inputs.values()))
        self.inputs = [Tensor(*pair) for pair in zip(*self._ends(self.form.inputs), strict=True)]
        self.outputs = [Tensor(*pair) for pair in zip(*self._ends(self.form.outputs), strict=True)]

    def _ends(self, ends: Any) -> tuple[list[str], list[tuple[int | None, ...]]]:
        shapes = [tuple(x if isinstance(x, int) else None for x in y or ()) for y in ends.values()]
        return list(ends), [channels_last_shape(x) if self._turns else x for x in shapes]

    @property
    def gives_rows(self) -> bool:
        """Whether the output is a list of detections."""
        return any(map(holds_boxes, self.outputs))

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """The outputs, channels last."""
        names = [x.name for x in self.inputs]
        if not self._turns:
            made = self.form.run(dict(zip(names, arrays, strict=True)))
            return [made[name] for name in self.form.outputs]
        made = self.form.run(dict(zip(names, map(channels_first, arrays), strict=True)))
        return [channels_last(made[name]) for name in self.form.outputs]

    def _flatten_layers(self, include_self: bool = True) -> Sequence[Any]:
        return ()


def _is_last(shape: Sizes) -> bool:
    """Whether an input is an image with its channels last."""
    if len(shape) != 4:
        return False
    first, last = shape[1], shape[-1]
    if isinstance(first, int) != isinstance(last, int):
        return isinstance(last, int)
    return first not in _CHANNELS and last in _CHANNELS
