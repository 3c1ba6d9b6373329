"""Where the weights of layers came from: a file, or nowhere yet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

import keras
import numpy as np

__all__ = ["is_new", "note_loaded", "note_new", "origin"]

_ORIGINS: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
_NEW: WeakKeyDictionary[Any, bytes] = WeakKeyDictionary()
"""Layer -> a hash of the values that it was made with."""


def note_loaded(layers: Iterable[Any], origin: object) -> None:
    """Note that layers got weights from a file.

    A layer keeps the note in every model that it is in, and does not pass it on to copies.
    """
    for layer in layers:
        _ORIGINS[layer] = str(origin)


def origin(layer: Any) -> str:
    """The file that a layer got its weights from; `""` where it is not known to have one."""
    return _ORIGINS.get(layer, "")


def note_new(layers: Iterable[Any]) -> None:
    """Note that layers have the values that they were made with, such as those of a new head."""
    for layer in layers:
        _NEW[layer] = _hash(layer)


def is_new(layer: Any) -> bool:
    """Whether a layer was noted as new, and still has those values."""
    return layer in _NEW and _NEW[layer] == _hash(layer)


def _hash(layer: Any) -> bytes:
    found = hashlib.sha256()
    for weight in layer.weights:
        found.update(np.ascontiguousarray(keras.ops.convert_to_numpy(weight)).view(np.uint8).data)
    return found.digest()
