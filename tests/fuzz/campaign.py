"""Many inputs in worker processes; one that dies is a finding, and the next one goes on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.worker import MARK, SECONDS

_ROOT = Path(__file__).parents[2]
_BATCH = 10_000
_BATCH_SECONDS = 3600


@dataclass(frozen=True)
class Finding:
    """An input that did worse than one clear error."""

    index: int
    problem: str

    @property
    def kind(self) -> str:
        """The problem without the names and numbers that differ from file to file."""
        return re.sub(r"\d+", "N", re.sub(r"'.*'|\".*\"", "...", self.problem)) + "".join(
            re.findall(r" at [\w.]+:\d+", self.problem)
        )


@dataclass
class Result:
    """What a campaign found."""

    target: str
    inputs: int
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.target}: {self.inputs} inputs in {self.seconds:.0f} s "
            f"({self.inputs / max(self.seconds, 1e-9):.0f}/s): {self.counts['accepted']} accepted, "
            f"{self.counts['refused']} refused with a CaffeError, {len(self.findings)} findings"
        )


def fuzz(target: str, inputs: int, seed: int = 0, start: int = 0) -> Result:
    """Check so many inputs of a target."""
    result = Result(target, inputs)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        current = Path(folder, "current")
        stop = start + inputs
        while start < stop:
            start = _batch(result, seed, start, min(start + _BATCH, stop), current)
    result.seconds = time.monotonic() - began
    return result


def _batch(result: Result, seed: int, start: int, stop: int, current: Path) -> int:
    """Run one worker; gives the index to go on with."""
    current.write_bytes(MARK.pack(start, 0, 0))
    words = [result.target, str(seed), str(start), str(stop), str(current)]
    # One arena: each more reserves address space that nothing uses.
    worker = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.worker", *words],
        cwd=_ROOT, env=os.environ | {"MALLOC_ARENA_MAX": "1"}, capture_output=True, text=True,
        timeout=_BATCH_SECONDS, check=False, errors="replace",
    )  # fmt: skip
    for report in _lines(worker.stdout):
        result.findings.append(Finding(report["index"], report["problem"]))
    at, accepted, refused = MARK.unpack(current.read_bytes())
    result.counts.update(accepted=accepted, refused=refused)
    if worker.returncode == 0:
        return stop
    died = (
        f"longer than {SECONDS} s" if worker.returncode == -27 else f"died with {worker.returncode}"
    )
    result.findings.append(Finding(at, f"{died}: {_where(worker.stderr)}"))
    return at + 1


def _lines(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        if line.startswith("{"):
            yield json.loads(line)


def _where(text: str) -> str:
    """The innermost places of a dump, else its end."""
    places = re.findall(r'File "[^"]*?([^/"]+/[^/"]+)", line (\d+)', text)
    return " < ".join(f"{name}:{line}" for name, line in places[:4]) or text[-300:]
