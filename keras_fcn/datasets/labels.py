"""From what a mask file holds to class indices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from keras_fcn.visualize.colours import voc_palette

__all__ = ["Colour", "LabelMap"]

Colour = tuple[int, int, int]

_SHOWN = 8


@dataclass(frozen=True, kw_only=True)
class LabelMap:
    """The classes of a data set, and how its masks name them.

    A mask of one channel holds numbers. They go, in this order, through `lookup`, `void` and
    `reduce_zero_label`. A mask of three channels holds colours, which `colours` turns into class
    indices. What is then neither a class nor `ignore_index` is an error.

    Args:
        classes: names, in the order of the network's outputs.
        palette: an RGB colour a class, for pictures; PASCAL VOC's by default.
        ignore_index: the index of pixels that belong to no class.
        lookup: number in the file -> class index or `ignore_index`; a number that is not in it is
            an error. None keeps the numbers.
        void: numbers that become `ignore_index`.
        reduce_zero_label: makes 0 `ignore_index` and takes one from all other numbers, for masks
            that count classes from 1.
        colours: RGB colour -> class index or `ignore_index`. With it, palettes in mask files are
            looked up too; without, the indices into a palette are the numbers.

    Raises:
        ValueError: no classes, or an index in use for a class and for ignored pixels.
    """

    classes: tuple[str, ...]
    palette: Sequence[Colour] = ()
    ignore_index: int = 255
    lookup: Mapping[int, int] | None = None
    void: tuple[int, ...] = ()
    reduce_zero_label: bool = False
    colours: Mapping[Colour, int] | None = None

    def __post_init__(self) -> None:
        palette = self.palette if len(self.palette) else voc_palette(len(self.classes)).tolist()
        object.__setattr__(self, "palette", tuple(tuple(map(int, colour)) for colour in palette))
        object.__setattr__(self, "classes", tuple(self.classes))
        object.__setattr__(self, "void", tuple(self.void))
        if not self.classes or len(self.palette) != len(self.classes):
            raise ValueError(
                f"`classes` names one or more classes, and `palette` has a colour for each. "
                f"Received: {len(self.classes)} classes, {len(self.palette)} colours"
            )
        if not len(self.classes) <= self.ignore_index <= np.iinfo(np.int32).max:
            raise ValueError(
                f"`ignore_index` must be above the class indices 0..{len(self.classes) - 1}. "
                f"Received: {self.ignore_index}"
            )
        targets = np.array([*(self.lookup or {}).values(), *(self.colours or {}).values()], int)
        if not self._is_label(targets).all():
            raise ValueError(
                f"`lookup` and `colours` lead to class indices 0..{len(self.classes) - 1} or "
                f"{self.ignore_index}. Received: {_some(targets[~self._is_label(targets)])}"
            )

    @property
    def dtype(self) -> np.dtype:
        """Dtype of masks: uint8 where it holds all indices, else int32."""
        return np.dtype(np.uint8 if self.ignore_index <= 255 else np.int32)

    def __call__(self, mask: np.ndarray, name: str) -> np.ndarray:
        """Class indices `(H, W)` of a mask as it is in its file.

        Args:
            mask: integers `(H, W)`, or colours `(H, W, 3)`.
            name: the mask's, for messages.

        Raises:
            ValueError: a number or a colour that is no class.
        """
        return (self._from_colours if mask.ndim == 3 else self._from_numbers)(mask, name)

    def _from_numbers(self, mask: np.ndarray, name: str) -> np.ndarray:
        indices = self._byte_table[mask] if mask.dtype == np.uint8 else self._translated(mask)
        if indices.min(initial=0) < 0:
            wrong = mask[indices < 0]
            raise ValueError(
                f"{name}: labels {_some(wrong)} in {wrong.size} pixels; known are "
                f"{_some(self._known)}, and {self.ignore_index} is ignored"
            )
        return indices.astype(self.dtype)

    def _translated(self, numbers: np.ndarray) -> np.ndarray:
        """Class indices of the numbers in files, -1 where they are no class."""
        indices = numbers.astype(np.int64)
        if self.lookup is not None:
            indices, known = self._lookup_table.find(indices)
            indices = np.where(known, indices, -1)
        if self.void:
            indices[np.isin(indices, self.void)] = self.ignore_index
        if self.reduce_zero_label:
            indices = np.where(indices == 0, self.ignore_index, indices)
            indices = np.where(indices == self.ignore_index, indices, indices - 1)
        return np.where(self._is_label(indices), indices, -1)

    @cached_property
    def _byte_table(self) -> np.ndarray:
        return self._translated(np.arange(256))

    @property
    def _known(self) -> list[int]:
        if self.lookup is not None:
            return sorted(self.lookup)
        first = int(self.reduce_zero_label)
        return sorted({*range(first, first + len(self.classes)), *self.void})

    def _from_colours(self, mask: np.ndarray, name: str) -> np.ndarray:
        if self.colours is None:
            raise ValueError(
                f"{name}: a mask of colours, shape {mask.shape}; say what they mean in a file, "
                "--colours FILE, in `colours` of dataset.json or of the LabelMap; or give masks of "
                "class indices in one channel"
            )
        packed = _packed(mask)
        indices, known = self._colour_table.find(packed)
        if not known.all():
            unknown = np.unique(packed[~known])
            shown = [f"({key >> 16}, {key >> 8 & 255}, {key & 255})" for key in unknown[:_SHOWN]]
            raise ValueError(
                f"{name}: unknown colours (R, G, B) in {np.sum(~known)} pixels: "
                f"{', '.join(shown)}{' ...' if len(unknown) > _SHOWN else ''}"
            )
        return indices.astype(self.dtype)

    def _is_label(self, indices: np.ndarray) -> np.ndarray:
        is_class = (indices >= 0) & (indices < len(self.classes))
        return np.asarray(is_class | (indices == self.ignore_index))

    @cached_property
    def _lookup_table(self) -> _Table:
        return _Table((self.lookup or {}).items())

    @cached_property
    def _colour_table(self) -> _Table:
        return _Table(
            (int(_packed(np.array(c))), index) for c, index in (self.colours or {}).items()
        )


class _Table:
    """A mapping of numbers that is applied to whole arrays."""

    def __init__(self, items: Iterable[tuple[int, int]]) -> None:
        keys, values = zip(*sorted(items), strict=True)
        self._keys, self._values = np.array(keys), np.array(values)

    def find(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The values, and where the numbers are among the keys."""
        places = np.minimum(np.searchsorted(self._keys, numbers), len(self._keys) - 1)
        return self._values[places], self._keys[places] == numbers


def _packed(colours: np.ndarray) -> np.ndarray:
    red, green, blue = np.moveaxis(colours.astype(np.int64), -1, 0)
    return np.asarray(red << 16 | green << 8 | blue)


def _some(numbers: Any) -> str:
    """The numbers, those that follow each other as first..last."""
    values = np.unique(numbers)
    runs = np.split(values, np.flatnonzero(np.diff(values) != 1) + 1)
    shown = [str(run[0]) if len(run) == 1 else f"{run[0]}..{run[-1]}" for run in runs[:_SHOWN]]
    return ", ".join(shown) + (" ..." if len(runs) > _SHOWN else "")
