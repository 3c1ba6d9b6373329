"""Measure keras_fcn on a machine's device: `KERAS_BACKEND=torch python -m tests.gpu`.

Numbers against Caffe's and against networks written by hand in the backend's own library, speed
and memory beside theirs, one training step. Takes less than five minutes and no network; writes
a JSON as it goes, and a table at the end. What fails is recorded, and the rest goes on; the exit
status is then 1.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras_fcn
from tests.gpu import sections
from tests.gpu.backends import PRECISIONS, Backend
from tests.gpu.tables import MEASURED, SMALL

_COLUMNS = {
    "section": "",
    "name": "",
    "batch": "",
    "precision": "",
    "ours_ms": ".2f",
    "predict_ms": ".2f",
    "twin_ms": ".2f",
    "ratio": ".2f",
    "images_per_second": ".0f",
    "tflops": ".1f",
    "peak_tflops": ".0f",
    "memory_mb": ".0f",
    "difference": ".1e",
}


class OutOfTimeError(Exception):
    """A row took longer than it may."""


def main(arguments: list[str] | None = None) -> int:
    """Measure; 0 where every row went well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("gpu.json"), help="the JSON to write")
    parser.add_argument("--seconds", type=float, default=280.0, help="all together")
    parser.add_argument("--row-seconds", type=float, default=60.0, help="for one row at most")
    parser.add_argument("--small", action="store_true", help="small images, as without a GPU")
    parser.add_argument("--every", type=int, default=None, help="of the layer cases every n-th")
    names = ("nets", "speed", "training", "layers")
    parser.add_argument("--sections", nargs="+", choices=names, default=names)
    options = parser.parse_args(arguments)
    started = time.monotonic()
    backend = Backend()
    small = options.small or not backend.on_gpu
    nets = sections.Nets(SMALL if small else MEASURED, backend)
    budget = 0.2 if small else 0.6
    precisions = PRECISIONS if backend.on_gpu else ("float32",)
    every = options.every or {"jax": 8}.get(backend.name, 1)
    ends = _ends(options.sections, started, options.seconds)
    tasks = {
        "nets": sections.net_agreement(nets),
        "speed": sections.throughput(nets, precisions, budget),
        "training": sections.training(nets, precisions[-2:], budget),
        "layers": sections.layer_cases(backend, every, lambda: time.monotonic() > ends["layers"]),
    }
    report = {
        "backend": backend.name,
        "version": backend.version,
        "device": backend.device,
        "keras_fcn": keras_fcn.version.__version__,
        "rows": [],
    }
    for section in options.sections:
        for row in _rows(tasks[section], ends[section], options.row_seconds):
            report["rows"].append(row)
            report["seconds"] = time.monotonic() - started
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(report, indent=1))
            print(*(f"{key}={_text(value)}" for key, value in row.items() if key != "profile"))
            sys.stdout.flush()
    print(_table(report))
    failed = [row for row in report["rows"] if "error" in row]
    print(f"{len(failed)} of {len(report['rows'])} rows failed, {report.get('seconds', 0):.0f} s")
    return 1 if failed else 0


def _ends(chosen: list[str], started: float, total: float) -> dict[str, float]:
    """When each section's time is over."""
    shares = {"nets": 0.2, "speed": 0.5, "training": 0.1, "layers": 0.2}
    whole = sum(shares[name] for name in chosen)
    ends, so_far = {}, 0.0
    for name in chosen:
        so_far += shares[name] / whole
        ends[name] = started + so_far * total
    return ends


def _rows(tasks: Iterator[sections.Task], end: float, limit: float) -> Iterator[dict[str, Any]]:
    for row, work in tasks:
        start = time.monotonic()
        left = min(limit, end - start)
        if left <= 0:
            yield {**row, "left out": "the section's time is over"}
            continue
        try:
            with _within(left if row["section"] != "layers" else limit):
                row |= work()
        except Exception as error:  # recorded: the other rows go on
            row["error"] = f"{type(error).__name__}: {str(error)[:500]}"
        yield {**row, "seconds": time.monotonic() - start}


class _within:  # noqa: N801
    """Raise `OutOfTimeError` after so many seconds."""

    def __init__(self, limit: float) -> None:
        self.limit = limit

    def __enter__(self) -> None:
        def stop(*_: object) -> None:
            raise OutOfTimeError(f"after {self.limit:.0f} s")

        self.before = signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, self.limit)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.before)


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _table(report: dict[str, Any]) -> str:
    lines = [f"{report['backend']} {report['version']} on {report['device']}"]
    lines += [" | ".join(_COLUMNS), " | ".join("---" for _ in _COLUMNS)]
    for row in report["rows"]:
        cells = []
        for key, form in _COLUMNS.items():
            value = row.get(key)
            cells.append("" if value is None else format(value, form) if form else str(value))
        lines.append(" | ".join(cells) + (f" | {row['error'][:80]}" if "error" in row else ""))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
