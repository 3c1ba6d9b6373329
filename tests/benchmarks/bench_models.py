"""CaffeNet and CaffeNetFCN, ours against every peer, the same weights, in one run.

python tests/benchmarks/bench_models.py --output models.json
python tests/benchmarks/bench_models.py --profile
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import nets
import numpy as np
import onnx_graph
import op_profile
import peers
import timing

import keras_fcn

_TOLERANCE = 1e-4  # of the largest value
_PREDICT_BAR = 0.010  # seconds over the bare compiled function
_CROPS_BAR = 1 / 6
_STRIDE, _CROP = 32, 227  # the map has a position every 32 pixels, of 227 pixels each
_OURS = ("ours, predict", "ours, SavedModel")
_BUILD = {"caffenet": keras_fcn.CaffeNet, "caffenet_fcn": keras_fcn.CaffeNetFCN}


@dataclass(frozen=True)
class Case:
    """A network on a batch of square images, and the bar for ours / best peer."""

    net: str
    batch: int
    size: int
    bar: float

    @property
    def name(self) -> str:
        """As the table heads it."""
        return f"{self.net} {self.size}x{self.size}, batch {self.batch}"


CASES = (
    Case("caffenet", 1, 227, 1.3),
    Case("caffenet", 10, 227, 1.1),
    Case("caffenet_fcn", 1, 451, 1.15),
)


def images(batch: int, size: int) -> np.ndarray:
    """Noise with the spread of BGR images less their mean."""
    shape = (batch, size, size, 3)
    return 60 * np.random.default_rng(0).standard_normal(shape, np.float32)


def measure(case: Case, runners: Mapping[str, peers.Runner], rounds: int, calls: int) -> Any:
    """Check that all give the same, then time them.

    Raises:
        SystemExit: one differs; a wrong answer is not worth timing.
    """
    x = images(case.batch, case.size)
    ready = {name: prepare(x) for name, prepare in runners.items()}
    expected = ready["ours, function"]()
    differences = {name: _difference(call(), expected) for name, call in ready.items()}
    for name, difference in differences.items():
        if not difference < _TOLERANCE:
            raise SystemExit(
                f"{case.name}: {name} differs by {difference:.1e} of the largest value"
            )
    return {"case": case.name, "bar": case.bar, "differences": differences} | _timed(
        ready, rounds, calls
    )


def _difference(output: np.ndarray, expected: np.ndarray) -> float:
    if output.shape != expected.shape:
        return float("inf")
    return float(np.abs(output - expected).max() / np.abs(expected).max())


def _timed(ready: Mapping[str, Callable[[], Any]], rounds: int, calls: int) -> dict[str, Any]:
    timings = timing.interleaved(
        {name: timing.timed(call, calls) for name, call in ready.items()}, rounds
    )
    return {
        "seconds": {name: timings.median(name) for name in ready},
        "rounds": timings.seconds,
        "foreign_load": timings.foreign,
    }


def measure_crops(
    classifier: keras.Model, whole: keras.Model, side: int, rounds: int
) -> dict[str, Any]:
    """One map of ``side`` x ``side`` against the classifier on all crops, and on one."""
    x = images(1, _CROP + _STRIDE * (side - 1))
    starts = [(row * _STRIDE, column * _STRIDE) for row in range(side) for column in range(side)]
    crops = np.concatenate([x[:, i : i + _CROP, j : j + _CROP] for i, j in starts])
    ready: dict[str, Callable[[], Any]] = {
        "one map": functools.partial(whole.predict, x, verbose=0),
        "one crop": functools.partial(classifier.predict, crops[:1], verbose=0),
    }
    for batch in (1, 10, 32, 64):
        ready[f"all crops, batches of {batch}"] = functools.partial(
            classifier.predict, crops, batch_size=batch, verbose=0
        )
    return {"positions": len(crops)} | _timed(ready, rounds, calls=1)


def report_cases(results: list[dict[str, Any]]) -> str:
    """Times, and ratios to the best peer."""

    def row(name: str, cell: Callable[[dict[str, Any]], str]) -> list[str]:
        return [name, *map(cell, results)]

    def best_peer(result: dict[str, Any]) -> str:
        peers_only = [name for name in result["seconds"] if not name.startswith("ours")]
        return min(peers_only, key=result["seconds"].__getitem__)

    def ratio(name: str, result: dict[str, Any]) -> str:
        seconds = result["seconds"]
        return f"{seconds[name] / seconds[best_peer(result)]:.2f} (bar {result['bar']})"

    def overhead(result: dict[str, Any]) -> str:
        seconds = result["seconds"]["ours, predict"] - result["seconds"]["ours, function"]
        return f"{seconds * 1e3:.1f} (bar {_PREDICT_BAR * 1e3:.0f})"

    def milliseconds(name: str, result: dict[str, Any]) -> str:
        return f"{result['seconds'][name] * 1e3:.1f}"

    rows = [row(name, functools.partial(milliseconds, name)) for name in results[0]["seconds"]]
    rows.append(row("best peer", best_peer))
    rows += [row(f"{name} / best peer", functools.partial(ratio, name)) for name in _OURS]
    rows.append(row("predict over function", overhead))
    rows.append(row("largest difference", lambda r: f"{max(r['differences'].values()):.0e}"))
    rows.append(row("noise", lambda r: f"{max(r['foreign_load']):.0%}"))
    return timing.table(["ms", *(result["case"] for result in results)], rows)


def report_crops(result: dict[str, Any]) -> str:
    """What one map saves."""
    seconds = result["seconds"]
    whole = seconds["one map"]
    rows = [[name, f"{s * 1e3:.1f}", f"{whole / s:.3f}"] for name, s in seconds.items()]
    fastest = min(s for name, s in seconds.items() if name.startswith("all"))
    return (
        timing.table(["ms", f"{result['positions']} positions", "one map / this"], rows)
        + f"\n\none map / fastest way over all crops: {whole / fastest:.3f} "
        f"(bar {_CROPS_BAR:.3f}); noise {max(result['foreign_load']):.0%}"
    )


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=3, help="timed calls a round")
    parser.add_argument("--threads", type=int, default=2, help="of the peers that can be told")
    parser.add_argument("--side", type=int, default=8, help="positions along a side of the map")
    parser.add_argument("--profile", action="store_true", help="print time layer by layer instead")
    parser.add_argument("--output", type=Path, help="JSON file for the figures")
    options = parser.parse_args()
    models, results = {}, []
    with tempfile.TemporaryDirectory() as name:
        for net, build in _BUILD.items():
            files = nets.write(nets.NETS[net], Path(name))
            models[net] = build(weights=files[1])
            graph = onnx_graph.write(nets.NETS[net], files[1])
            cases = [case for case in CASES if case.net == net]
            if options.profile:
                for case in cases:
                    x = images(case.batch, case.size)
                    figures = op_profile.report(
                        models[net], graph, x, options.threads, options.rounds
                    )
                    print(f"{case.name}\n\n{figures}\n")
                continue
            runners = dict(peers.runners(models[net], *files, graph, options.threads))
            results += [measure(case, runners, options.rounds, options.calls) for case in cases]
    if options.profile:
        return
    print(report_cases(results))
    crops = measure_crops(models["caffenet"], models["caffenet_fcn"], options.side, options.rounds)
    print(f"\n{report_crops(crops)}")
    if options.output:
        options.output.write_text(json.dumps({"cases": results, "crops": crops}, indent=1) + "\n")


if __name__ == "__main__":
    main()
