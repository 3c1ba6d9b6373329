"""Files with a line of JSON for a run, and one for each of its parts that is done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

__all__ = ["journal_lines"]


def journal_lines(file: IO[bytes]) -> Iterator[tuple[int, Any]]:
    """Places and values of the lines up to the first that is cut; none without the run's."""
    while True:
        place = file.tell()
        line = file.readline()
        if not line.endswith(b"\n"):
            return
        try:
            value = json.loads(line)
        except ValueError:
            return
        if not isinstance(value, dict) or (not place and "run" not in value):
            return
        yield place, value
