"""Converting a caffemodel against OpenCV 4 merely loading it: whole processes, in one run.

python tests/benchmarks/bench_convert.py --output convert.json
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nets
import timing

_MEGABYTE = 1 << 20
_MEMORY_BAR = 150  # MB on top of the largest blob twice
_IMPORT_BAR = 0.3  # seconds

_OPENCV = """
import sys, time, cv2
start = time.perf_counter()
cv2.dnn.readNetFromCaffe(sys.argv[1], sys.argv[2])
print(time.perf_counter() - start)
"""
_IMPORT = """
import time
start = time.perf_counter()
import {}
print(time.perf_counter() - start)
"""


@dataclass
class Process:
    """A command, its peak memory, and what its last run printed.

    This program stays small, with neither numpy nor the weights in it: on Linux a
    child's peak memory starts at that of the program that starts it.
    """

    command: list[str]
    peak: int = 0
    printed: str = field(default="", repr=False)

    def __call__(self) -> float:
        """Run; give the seconds that the whole process took."""
        start = time.perf_counter()
        with subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True) as process:
            self.printed = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, self.command)
        self.peak = max(self.peak, usage.ru_maxrss * 1024)
        return seconds


def python(*arguments: str | Path) -> Process:
    """A process of this interpreter."""
    return Process([sys.executable, *map(str, arguments)])


def measure(net: nets.Net, folder: Path, rounds: int) -> dict[str, Any]:
    """Time everything on one network; give the figures in seconds and bytes."""
    python(nets.__file__, net.name, folder)()
    prototxt, caffemodel = (folder / f"{net.name}.{end}" for end in ("prototxt", "caffemodel"))
    output, copy = folder / "out.h5", folder / "copy"
    convert = python("-m", "convert", prototxt, caffemodel, "-o", output, "--quiet")
    opencv = python("-c", _OPENCV, prototxt, caffemodel)
    opencv_call: list[float] = []

    def afresh(run: Callable[[], float], path: Path) -> float:
        path.unlink(missing_ok=True)
        return run()

    def opencv_process() -> float:
        seconds = opencv()
        opencv_call.append(float(opencv.printed))
        return seconds

    def copied() -> float:
        start = time.perf_counter()
        subprocess.run(["cp", caffemodel, copy], check=True)
        subprocess.run(["sync", copy], check=True)
        return time.perf_counter() - start

    candidates = {
        "convert": functools.partial(afresh, convert, output),
        "opencv process": opencv_process,
        "opencv call": lambda: opencv_call[-1],
        "copy": functools.partial(afresh, copied, copy),
        "sha256": functools.partial(hash_file, caffemodel),
    }
    timings = timing.interleaved(candidates, rounds)
    result = {
        "net": net.name,
        "bytes": caffemodel.stat().st_size,
        "seconds": {name: timings.median(name) for name in candidates},
        "rounds": timings.seconds,
        "foreign_load": timings.foreign,
        "peak_bytes": convert.peak,
        "opencv_peak_bytes": opencv.peak,
        "peak_bar_bytes": 2 * largest_blob(caffemodel) + _MEMORY_BAR * _MEGABYTE,
    }
    for path in (prototxt, caffemodel, output, copy):
        path.unlink()
    return result


def hash_file(path: Path) -> float:
    """Seconds that the sha256 of a file takes alone."""
    start = time.perf_counter()
    with path.open("rb") as file:
        hashlib.file_digest(file, "sha256")
    return time.perf_counter() - start


def largest_blob(caffemodel: Path) -> int:
    """Bytes of the largest blob of a file."""
    code = (
        "import sys, convert; "
        "print(max(b.nbytes for w in convert.load_weights(sys.argv[1]).values() for b in w))"
    )
    process = python("-c", code, caffemodel)
    process()
    return int(process.printed)


def import_seconds(module: str, rounds: int) -> float:
    """Median seconds of an import in a new interpreter."""
    process = python("-c", _IMPORT.format(module))

    def run() -> float:
        process()
        return float(process.printed)

    return timing.interleaved({module: run}, rounds).median(module)


def report(results: list[dict[str, Any]], imports: dict[str, float]) -> str:
    """The figures as Markdown."""
    header = ["file", "convert", "OpenCV call", "OpenCV process", "cp + sync", "sha256 alone"]
    header += ["ratio to call (bar 1)", "sha256's share", "peak MB", "bar MB", "noise"]
    rows = []
    for result in results:
        seconds = result["seconds"]
        names = ("convert", "opencv call", "opencv process", "copy", "sha256")
        rows.append(
            [
                f"{result['net']} {result['bytes'] / 1e6:.0f} MB",
                *(f"{seconds[name]:.2f} s" for name in names),
                f"{seconds['convert'] / seconds['opencv call']:.2f}",
                f"{seconds['sha256'] / seconds['convert']:.0%}",
                f"{result['peak_bytes'] / _MEGABYTE:.0f}",
                f"{result['peak_bar_bytes'] / _MEGABYTE:.0f}",
                f"{max(result['foreign_load']):.0%}",
            ]
        )
    lines = [
        f"import {module}: {seconds * 1e3:.0f} ms (bar {_IMPORT_BAR * 1e3:.0f} ms)"
        for module, seconds in imports.items()
    ]
    return "\n".join([timing.table(header, rows), "", *lines])


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--nets", nargs="+", choices=nets.NETS, default=["caffenet", "vgg16"])
    parser.add_argument("--folder", type=Path, help="where to make the temporary folder")
    parser.add_argument("--output", type=Path, help="JSON file for the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        results = [measure(nets.NETS[name], Path(folder), options.rounds) for name in options.nets]
    modules = ("convert", "keras_fcn.caffe.conversion.convert")
    imports = {module: import_seconds(module, options.rounds) for module in modules}
    print(report(results, imports))
    if options.output:
        figures = {"files": results, "import_seconds": imports}
        options.output.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
