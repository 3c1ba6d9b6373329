"""Length and memory of a test run.

Of a sweep the default suite runs every n-th case, and `-m slow` the others. Each worker computes
in one thread, and what tests leave in circles is freed before it adds up.
"""

from __future__ import annotations

import gc
import os
import resource
from collections import Counter
from pathlib import Path

import pytest

from tests.thorough import THOROUGH

if "PYTEST_XDIST_WORKER" in os.environ:  # before TensorFlow counts the cores
    for _pool in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(_pool, "1")

_STATM = Path("/proc/self/statm")
_MORE = 100 << 20
_held = 0


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the cases of a sweep but every n-th as slow."""
    seen: Counter[str] = Counter()
    for item in items:
        sweep = item.get_closest_marker("sweep")
        if sweep is None or THOROUGH or item.get_closest_marker("slow"):
            continue
        (every,), name = sweep.args, item.nodeid.partition("[")[0]
        if seen[name] % every:
            item.add_marker(pytest.mark.slow)
        seen[name] += 1


def pytest_collection_finish() -> None:
    """What is there before the first test stays; no collection need look at it."""
    gc.collect()
    gc.freeze()


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
