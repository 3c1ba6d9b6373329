"""Medians of interleaved repeats, and how quiet the machine was meanwhile."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_STAT = Path("/proc/stat")
_IDLE, _IOWAIT, _GUEST = 3, 4, 8  # columns; guest time is counted in user time too
_QUIET = 0.05


@dataclass(frozen=True)
class Timings:
    """What was measured.

    Attributes:
        seconds: name -> one figure a round.
        foreign: share of the machine's processor time that other programs took, a
            figure a round.
    """

    seconds: Mapping[str, Sequence[float]]
    foreign: Sequence[float]

    def median(self, name: str) -> float:
        """Median of a candidate, in seconds."""
        return statistics.median(self.seconds[name])


def interleaved(
    candidates: Mapping[str, Callable[[], float]], rounds: int, patience: int = 3
) -> Timings:
    """Run every candidate once a round, so that a slow minute hits all of them alike.

    Rounds in which other programs took more than a twentieth of the processors are
    repeated, up to ``patience`` times as many rounds in all; the quietest are kept.

    Args:
        candidates: name -> function that does the work once and gives its seconds.
        rounds: how many rounds to keep.
        patience: how many times that to run at most.
    """
    kept: list[tuple[float, dict[str, float]]] = []
    for _ in range(rounds * patience):
        before = _foreign_seconds(), time.perf_counter()
        seconds = {name: run() for name, run in candidates.items()}
        after = _foreign_seconds(), time.perf_counter()
        available = (after[1] - before[1]) * (os.cpu_count() or 1)
        kept.append((max(0.0, after[0] - before[0]) / available, seconds))
        if sum(foreign <= _QUIET for foreign, _ in kept) == rounds:
            break
    kept = sorted(kept, key=lambda item: item[0])[:rounds]
    return Timings(
        {name: [seconds[name] for _, seconds in kept] for name in candidates},
        [foreign for foreign, _ in kept],
    )


def timed(work: Callable[[], object], calls: int = 1) -> Callable[[], float]:
    """A candidate: mean seconds of ``calls`` calls, after one that is not timed.

    The untimed call brings the weights back into the cache, and outlasts the
    threads of the candidate before, which keep spinning for a moment.
    """

    def run() -> float:
        work()
        start = time.perf_counter()
        for _ in range(calls):
            work()
        return (time.perf_counter() - start) / calls

    return run


def matrix_product_peak(side: int = 2048, rounds: int = 5) -> float:
    """Operations a second of the machine's product of float32 matrices, the best of some."""
    import numpy as np

    one = np.random.default_rng(0).standard_normal((side, side), np.float32)
    product = timed(lambda: one @ one)
    return 2 * side**3 / min(product() for _ in range(rounds))


def _foreign_seconds() -> float:
    """Processor seconds since boot that this program and its ended children did not take."""
    if not _STAT.exists():
        return 0.0
    ticks = [int(value) for value in _STAT.read_text().split("\n", 1)[0].split()[1:]]
    busy = sum(ticks[:_GUEST]) - ticks[_IDLE] - ticks[_IOWAIT]
    return busy / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, first column to the left, figures to the right."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        first, *rest = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return " | ".join(["| " + first, *rest]) + " |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(header), line(rule), *map(line, rows)])
