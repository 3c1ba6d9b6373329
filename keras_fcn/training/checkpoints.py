"""The state of a run in one file, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import keras
import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.io.files import atomic_write

__all__ = ["restore", "save"]

_NOTES = "notes"


def save(
    path: Path, groups: Mapping[str, Sequence[Any]], notes: Mapping[str, Any] | None = None
) -> None:
    """Writes variables, and notes that JSON knows, as `.npz`.

    Args:
        path: the file; an older one is replaced in one step.
        groups: name -> Keras variables in an order that does not change.
        notes: what else to keep.

    Raises:
        CaffeError: the file cannot be written.
    """
    arrays: dict[str, Any] = {
        f"{group}/{index}": keras.ops.convert_to_numpy(variable)
        for group, variables in groups.items()
        for index, variable in enumerate(variables)
    }
    arrays[_NOTES] = np.array(json.dumps(notes or {}))
    with atomic_write(path) as file:
        np.savez(file, **arrays)


def restore(path: Path, groups: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Sets variables to what `save` wrote, and gives the notes.

    Raises:
        CaffeError: the file is damaged, or is that of another network or optimizer.
    """
    try:
        with np.load(path) as file:
            arrays = dict(file)
    except (OSError, ValueError, BadZipFile) as error:
        raise CaffeError(f"{path} is not a checkpoint that is whole: {error}") from error
    notes: dict[str, Any] = json.loads(str(arrays.pop(_NOTES, "{}")))
    variables = {
        f"{group}/{index}": variable
        for group, members in groups.items()
        for index, variable in enumerate(members)
    }
    wrong = [
        f"{name} {variable.path} {tuple(variable.shape)}"
        for name, variable in variables.items()
        if name not in arrays or arrays[name].shape != tuple(variable.shape)
    ]
    if wrong or len(arrays) != len(variables):
        raise CaffeError(
            f"{path} has {len(arrays)} arrays, the run needs {len(variables)}; the network is "
            f"another than that of the run. Not in the file: {', '.join(wrong[:4]) or 'none'}"
        )
    for name, variable in variables.items():
        variable.assign(arrays[name])
    return notes
