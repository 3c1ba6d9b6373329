"""Suggestions for a name that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing where no name comes close."""
    by_key = {known.casefold(): known for known in names}
    close = difflib.get_close_matches(name.casefold(), by_key, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(repr(by_key[key]) for key in close)}?" if close else ""
