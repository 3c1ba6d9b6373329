"""How a report's numbers and names are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

NOTHING = "0 everywhere"
"""The note on a blob of which nothing is proven."""
SHOWN = 6
"""Names that are told of many."""


def share(share: float) -> str:
    """A share in percent; what is not all, or not nothing, is not shown as such."""
    if 0 < share < 5e-5:
        return "<0.01%"
    return ">99.99%" if 0.99995 < share < 1 else f"{share:.2%}"


def listed(what: str, names: Sequence[str]) -> str:
    """Some names with the verb that goes with them."""
    shown = named(names)
    return f"the {what} {shown} is" if len(names) == 1 else f"the {what}s {shown} are"


def named(names: Sequence[str]) -> str:
    """Some names, the first ones where they are many."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(repr, names[:SHOWN])) + more


def agree(count: int) -> str:
    """How many blobs agree."""
    return "1 blob agrees" if count == 1 else f"{count} blobs agree"


def plain(value: Any) -> Any:
    """A value as JSON has it, which knows neither infinity nor NaN."""
    if isinstance(value, tuple):
        return [plain(x) for x in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value
