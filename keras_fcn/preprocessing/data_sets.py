"""Known data sets: the classes that a network's outputs stand for, and their colours."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_fcn.hints import did_you_mean
from keras_fcn.preprocessing.data import imagenet_classes, tables

__all__ = ["DataSet", "data_set", "data_sets"]

_VOID_NAME = "void"


@dataclass(frozen=True, eq=False)
class DataSet:
    """The classes of a data set, in the order of the outputs of networks trained on it.

    Attributes:
        name: the registry's name.
        title: what it is.
        classes: a name for each output.
        palette: the colours of its label files, uint8 RGB (classes, 3); None where it has
            no label files.
        void: the label of pixels that belong to no class; None where there is none.
        void_name: what it is called.
        void_colour: its colour.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    palette: np.ndarray | None = None
    void: int | None = None
    void_name: str = _VOID_NAME
    void_colour: tuple[int, int, int] = (0, 0, 0)


@functools.cache
def data_sets() -> Mapping[str, DataSet]:
    """All data sets of `data/datasets.toml`, by name."""
    return {name: _data_set(name, table) for name, table in tables().items()}


def data_set(name: str) -> DataSet:
    """A data set by its name.

    Raises:
        ValueError: there is none of this name.
    """
    if name not in data_sets():
        raise ValueError(
            f"no data set has this name{did_you_mean(name, data_sets())}. Received: {name!r}"
        )
    return data_sets()[name]


def _data_set(name: str, table: Mapping[str, Any]) -> DataSet:
    if "classes_file" in table:
        return DataSet(name, table["title"], imagenet_classes())
    palette = np.array(table["palette"], np.uint8)
    palette.setflags(write=False)
    void = table["void"]
    return DataSet(
        name,
        table["title"],
        tuple(table["classes"]),
        palette,
        void["label"],
        void["name"],
        tuple(void["colour"]),
    )
