"""Names of a network as Python's: no text of a file becomes code."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable

TAKEN = frozenset(
    {*dir(builtins), *keyword.kwlist, *keyword.softkwlist}
    | {"keras", "keras_fcn", "layers", "ops", "model", "weights", "x", "name"}
)
"""Names that Python has, or the code for its own use."""


def identifier(text: str, otherwise: str = "x") -> str:
    """A text as a variable's name in lower case; `otherwise` where nothing of it can stay."""
    plain = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return plain or otherwise


class Variables:
    """Variables of a function, all different, and none that Python or the code has for itself."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {*TAKEN, *taken}

    def new(self, text: str, otherwise: str) -> str:
        """A variable named after a text."""
        base = identifier(text, otherwise)
        if base[0].isdigit() or len(base) == 1:
            base = f"{otherwise}_{base}"
        name, number = base, 1
        while name in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._taken.add(name)
        return name
