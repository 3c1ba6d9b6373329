"""Caffe layer names -> names that Keras, TensorFlow and HDF5 accept."""

from __future__ import annotations

import re
from collections.abc import Iterable

_REFUSED = re.compile(r"[^A-Za-z0-9_.-]")


def keras_name(name: str) -> str:
    """One Caffe name made safe: ``inception_3a/1x1`` -> ``inception_3a_1x1``."""
    safe = _REFUSED.sub("_", name)
    if not safe:
        return "layer"
    return safe if safe[0].isalnum() else f"layer{safe}"


def keras_names(names: Iterable[str]) -> list[str]:
    """Safe names for a whole network, each different.

    A name that needs no change always keeps itself; where two names would become
    one, the later gets ``_2``, ``_3`` and so on. Together with the original names,
    which are stored beside the weights, the mapping can be reversed.
    """
    names = list(names)
    taken = {name for name in names if keras_name(name) == name}
    given: set[str] = set()
    result = []
    for name in names:
        safe = base = keras_name(name)
        number = 2
        while safe in given or (safe != name and safe in taken):
            safe = f"{base}_{number}"
            number += 1
        given.add(safe)
        result.append(safe)
    return result
