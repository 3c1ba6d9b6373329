"""One process that reads damaged files under limits and tells what went wrong, as JSON lines.

Started by :mod:`tests.fuzz.campaign`, which starts it again after an input that kills it.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import resource
import signal
import struct
import sys
import tempfile
import threading
import traceback
import warnings
from pathlib import Path

from keras_fcn.caffe.errors import CaffeError, CaffeWarning
from tests.fuzz.corpus import seeds
from tests.fuzz.targets import TARGETS, make_input

SECONDS = 5
ACCEPTED = "accepted"
_LONGEST = 6000  # characters of a message
GROWTH_BYTES = 100 << 20
GROWTH_FACTOR = 10
MARK = struct.Struct("<3Q")
"""Number of the input at work, and how many were accepted and refused before it."""
_PAGE = resource.getpagesize()
_STACK = 1 << 18  # of the reader's threads: a stack counts as address space, though not used


class _Memory:
    """The limit of the address space, moved along with what the process holds already."""

    def __init__(self) -> None:
        self._statm = open("/proc/self/statm", "rb", buffering=0)  # noqa: SIM115 - stays open
        self._hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        self._peak = self._resident = self._allowed = 0

    def limit(self, size: int) -> None:
        """Allow what a file of this size may cost."""
        self._statm.seek(0)
        virtual, resident = (int(n) * _PAGE for n in self._statm.read().split()[:2])
        self._allowed = GROWTH_FACTOR * size + GROWTH_BYTES
        self._peak, self._resident = _peak(), resident
        resource.setrlimit(resource.RLIMIT_AS, (virtual + self._allowed, self._hard))

    def excess(self) -> int:
        """Lift the limit; bytes that were held at most beyond what was allowed."""
        resource.setrlimit(resource.RLIMIT_AS, (self._hard, self._hard))
        peak = _peak()
        over = peak - self._resident - self._allowed
        return over if peak > self._peak and over > 0 else 0


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _problem(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/caffe/" in frame.filename] or frames[-1:]
    places = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(own[-3:]))
    return f"{type(error).__name__}: {str(error)[:200]!r} at {places}"


def check(name: str, path: Path, memory: _Memory, size: int) -> tuple[str, str | None]:
    """Read one file: "accepted" or the error's message, and what went wrong or None."""
    problem = None
    outcome = ACCEPTED
    memory.limit(size)
    try:
        TARGETS[name].work(path)
    except CaffeError as error:
        outcome = str(error)
        # A library may turn an allocation that failed into an error that we take for damage.
        if isinstance(error.__cause__, MemoryError) or "allocate" in outcome.lower():
            problem = f"too much memory: {_problem(error)}"
        elif not outcome.strip() or len(outcome) > _LONGEST:
            problem = f"message of {len(outcome)} characters: {_problem(error)}"
    except BaseException as error:
        problem = _problem(error)
    excess = memory.excess()
    if excess:
        problem = f"too much memory: {excess >> 20} MB more than allowed"
    return outcome, problem


def check_files(paths: list[str]) -> None:
    """Print (name, outcome, problem) of these files, as JSON."""
    _prepare()
    memory = _Memory()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for path in map(Path, paths):
            name = next(name for name, target in TARGETS.items() if target.suffix == path.suffix)
            copy = Path(folder, path.name)  # what is written beside it goes with the folder
            copy.write_bytes(path.read_bytes())
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            found.append((path.name, *check(name, copy, memory, path.stat().st_size)))
            signal.setitimer(signal.ITIMER_PROF, 0)
    print(json.dumps(found))


def _prepare() -> None:
    # CPU time, so that a busy machine accuses nobody. The signal kills, and says where.
    faulthandler.register(signal.SIGPROF, chain=True)
    faulthandler.enable()
    threading.stack_size(_STACK)
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", CaffeWarning)


def run(name: str, seed: int, start: int, stop: int, current: Path) -> None:
    """Check inputs ``start`` to ``stop``; the file ``current`` holds a MARK of where it is."""
    _prepare()
    seeds(name)
    memory = _Memory()
    marker = os.open(current, os.O_WRONLY | os.O_CREAT)
    counts = {True: 0, False: 0}
    with tempfile.TemporaryDirectory() as folder:
        path, fresh = (Path(folder, f"{stem}{TARGETS[name].suffix}") for stem in ("file", "next"))
        for index in range(start, stop):
            data = make_input(name, seed, index)
            fresh.write_bytes(data)
            fresh.replace(path)  # a hash may still be at work on the last one
            os.pwrite(marker, MARK.pack(index, *counts.values()), 0)
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            outcome, problem = check(name, path, memory, len(data))
            signal.setitimer(signal.ITIMER_PROF, 0)
            counts[outcome == ACCEPTED] += 1
            if problem is not None:
                print(json.dumps({"index": index, "problem": problem}), flush=True)
    os.pwrite(marker, MARK.pack(stop, *counts.values()), 0)


def main() -> None:
    """Run as told by the arguments."""
    parser = argparse.ArgumentParser()
    parser.add_argument("target", choices=TARGETS)
    for number in ("seed", "start", "stop"):
        parser.add_argument(number, type=int)
    parser.add_argument("current", type=Path)
    options = parser.parse_args()
    run(options.target, options.seed, options.start, options.stop, options.current)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
