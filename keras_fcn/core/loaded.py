"""Where the weights of layers came from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

__all__ = ["note_loaded", "origin"]

_ORIGINS: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def note_loaded(layers: Iterable[Any], origin: object) -> None:
    """Note that layers got weights from a file.

    A layer keeps the note in every model that it is in, and does not pass it on to copies.
    """
    for layer in layers:
        _ORIGINS[layer] = str(origin)


def origin(layer: Any) -> str:
    """The file that a layer got its weights from; `""` where it is not known to have one."""
    return _ORIGINS.get(layer, "")
