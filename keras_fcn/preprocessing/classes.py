"""The classes that a network's outputs stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_fcn.preprocessing.data_sets import DataSet, data_set
from keras_fcn.preprocessing.packing import pack, unpack

__all__ = ["Classes"]

_SHOWN = 6


@dataclass(frozen=True, eq=False, repr=False)
class Classes:
    """Names and colours of the classes of a network, in the order of its outputs.

    Args:
        names: a name for each class.
        palette: their colours in label files, uint8 RGB (classes, 3); None for no own ones.
        ignore: the label of pixels that belong to no class; None where there is none.
        dataset: the data set's name in `keras_fcn.preprocessing.data_sets`; `""` for
            another.

    Raises:
        ValueError: no names, or another number of colours than of names.
    """

    names: tuple[str, ...]
    palette: np.ndarray | None = None
    ignore: int | None = None
    dataset: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.names, str) or not len(self.names):
            raise ValueError(f"`names` must be one or more class names. Received: {self.names!r}")
        object.__setattr__(self, "names", tuple(map(str, self.names)))
        if self.palette is None:
            return
        palette = np.array(self.palette)
        whole = palette.dtype.kind in "iu" and (palette >= 0).all() and (palette <= 255).all()
        if palette.shape != (len(self), 3) or not whole:
            raise ValueError(
                f"`palette` must be whole numbers 0..255, ({len(self)}, 3). "
                f"Received: {palette.dtype} of shape {palette.shape}"
            )
        palette = palette.astype(np.uint8)
        palette.setflags(write=False)
        object.__setattr__(self, "palette", palette)

    def __str__(self) -> str:
        """`21 (background, aeroplane, ...), with colours`."""
        shown = ", ".join([*self.names[:_SHOWN], *(["..."] if len(self) > _SHOWN else [])])
        return f"{len(self)} ({shown}){'' if self.palette is None else ', with colours'}"

    def __repr__(self) -> str:
        return f"<Classes {self}>"

    @classmethod
    def of(cls, dataset: DataSet | str) -> Classes:
        """Classes of a data set, or of the known one of a name.

        Raises:
            ValueError: no data set has this name.
        """
        known = data_set(dataset) if isinstance(dataset, str) else dataset
        return cls(known.classes, known.palette, known.void, known.name)

    def to_config(self) -> dict[str, Any]:
        """The fields as values that JSON knows."""
        palette = None if self.palette is None else pack(self.palette)
        return {
            "names": list(self.names),
            "palette": palette,
            "ignore": self.ignore,
            "dataset": self.dataset,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Classes:
        """The inverse of `to_config`."""
        palette = config.get("palette")
        return cls(**{**config, "palette": None if palette is None else unpack(palette)})

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Classes):
            return NotImplemented
        return self.to_config() == other.to_config()
