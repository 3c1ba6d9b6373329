"""Memory of a test run: what a test leaves in circles is freed before it adds up."""

from __future__ import annotations

import gc
import resource
from pathlib import Path

_STATM = Path("/proc/self/statm")
_MORE = 100 << 20
_held = 0


def _resident() -> int:
    """Bytes of this process; where the system does not tell, those that it had at most."""
    if _STATM.exists():
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def pytest_runtest_logfinish() -> None:
    """Models hold themselves in circles, the largest half a gigabyte each."""
    global _held
    if _resident() > _held + _MORE:
        gc.collect()
        _held = _resident()
