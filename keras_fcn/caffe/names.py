"""Caffe layer names -> names that Keras, TensorFlow and HDF5 accept."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

_REFUSED = re.compile(r"[^A-Za-z0-9_.-]")


class Named(Protocol):
    """Something that messages name: a layer, or its definition."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def line(self) -> int: ...


def place(path: str, layer: Named) -> str:
    """Location of a layer, for messages: `net.prototxt:12: layer 'fc6' (InnerProduct)`."""
    line = f":{layer.line}" if layer.line else ""
    return f"{path}{line}: layer {layer.name!r} ({layer.type})"


def keras_name(name: str) -> str:
    """One Caffe name made safe: `inception_3a/1x1` -> `inception_3a_1x1`."""
    safe = _REFUSED.sub("_", name)
    if not safe:
        return "layer"
    return safe if safe[0].isalnum() else f"layer{safe}"


def keras_names(names: Iterable[str]) -> list[str]:
    """Safe names for a whole network, each different.

    A name that needs no change always keeps itself; where two names would become
    one, the later gets `_2`, `_3` and so on. Together with the original names,
    which are stored beside the weights, the mapping can be reversed.
    """
    names = list(names)
    taken = {name for name in names if keras_name(name) == name}
    given: set[str] = set()
    numbers: Counter[str] = Counter()
    result = []
    for name in names:
        safe = base = keras_name(name)
        while safe in given or (safe != name and safe in taken):
            numbers[base] += 1
            safe = f"{base}_{numbers[base] + 1}"
        given.add(safe)
        result.append(safe)
    return result


def closest(name: str, names: Iterable[str], most: int = 8) -> str:
    """Names that one may have meant, for messages: `is a`, `are a, b`, `are a, b, ...`."""
    every = list(names)
    shown = difflib.get_close_matches(name, every, 3) or every[-most:]
    more = ", ..." if len(shown) < len(every) else ""
    return f"{'is' if len(every) == 1 else 'are'} {', '.join(shown)}{more}"


def renamed(names: Iterable[str], changes: Mapping[str, str]) -> dict[str, str]:
    """Each name -> what it is called after some changes (old -> new), all different.

    Raises:
        ValueError: a name to change is not among them, or two would become one.
    """
    result = {name: changes.get(name, name) for name in names}
    for old in changes:
        if old not in result:
            raise ValueError(f"no layer {old!r} to rename; there {closest(old, result)}")
    sources: dict[str, str] = {}
    for old, new in result.items():
        if sources.setdefault(new, old) != old:
            raise ValueError(f"layers {sources[new]!r} and {old!r} would both be named {new!r}")
    return result


def net_files(path: Path) -> tuple[Path, Path]:
    """The prototxt and the caffemodel that a path means: one of them, or both without endings."""
    stem = path.with_suffix("") if path.suffix in (".prototxt", ".caffemodel") else path
    return stem.with_name(f"{stem.name}.prototxt"), stem.with_name(f"{stem.name}.caffemodel")


def keras_model_name(name: str) -> str:
    """A network's name as a Keras model's."""
    return keras_name(name) if name else "caffe_net"
