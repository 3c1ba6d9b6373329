"""CaffeNet and CaffeNetFCN, ours against every peer, the same weights, in one run.

python tests/benchmarks/bench_models.py --output models.json
python tests/benchmarks/bench_models.py --profile
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import nets
import numpy as np
import op_profile
import peers
import timing

import keras_fcn

_TOLERANCE = 1e-4  # of the largest value
_PREDICT_BAR = 0.010  # seconds over the bare compiled function
_CROPS_BAR = 1 / 6
_STRIDE, _CROP = 32, 227  # the map has one position every 32 pixels
_OURS = ("ours predict", "ours SavedModel")


@dataclass(frozen=True)
class Case:
    """A network on a batch of square images, and the bar for ours / best peer."""

    net: str
    batch: int
    size: int
    bar: float

    @property
    def name(self) -> str:
        return f"{self.net} {self.size}x{self.size}, batch {self.batch}"

    def images(self) -> np.ndarray:
        """Noise with the spread of BGR images less their mean."""
        shape = (self.batch, self.size, self.size, 3)
        return 60 * np.random.default_rng(0).standard_normal(shape, np.float32)


CASES = (
    Case("caffenet", 1, 227, 1.3),
    Case("caffenet", 10, 227, 1.1),
    Case("caffenet_fcn", 1, 451, 1.15),
)
_MODELS = {"caffenet": keras_fcn.CaffeNet, "caffenet_fcn": keras_fcn.CaffeNetFCN}


def check_equal(name: str, output: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference relative to the largest value.

    Raises:
        SystemExit: it is not below 1e-4; a wrong answer is not worth timing.
    """
    if output.shape != expected.shape:
        raise SystemExit(f"{name} gives shape {output.shape}, ours {expected.shape}")
    difference = float(np.abs(output - expected).max() / np.abs(expected).max())
    if not difference < _TOLERANCE:
        raise SystemExit(f"{name} differs from ours by {difference:.1e} of the largest value")
    return difference


def measure(case: Case, runners: dict[str, peers.Runner], rounds: int, calls: int) -> Any:
    """Check that all agree, then time them."""
    images = case.images()
    ready = {name: prepare(images) for name, prepare in runners.items()}
    expected = ready["ours function"]()
    differences = {name: check_equal(name, call(), expected) for name, call in ready.items()}
    return {
        "case": case.name,
        **_timed(ready, rounds, calls),
        "differences": differences,
        "bar": case.bar,
    }


def _timed(ready: dict[str, Callable[[], Any]], rounds: int, calls: int) -> dict[str, Any]:
    timings = timing.interleaved(
        {name: timing.timed(call, calls) for name, call in ready.items()}, rounds
    )
    return {
        "seconds": {name: timings.median(name) for name in ready},
        "rounds": timings.seconds,
        "foreign_load": timings.foreign,
    }


def measure_crops(models: dict[str, Any], side: int, rounds: int) -> dict[str, Any]:
    """One map against the classifier on every crop the map stands for, and on one.

    Raises:
        SystemExit: the map differs from the classifier's answers. Padding reaches
            into the crops but not into the map, so only the best class of most
            positions can agree.
    """
    size = _CROP + _STRIDE * (side - 1)
    image = Case("caffenet_fcn", 1, size, 0).images()
    starts = [_STRIDE * index for index in range(side)]
    crops = np.concatenate(
        [image[:, row : row + _CROP, column : column + _CROP] for row in starts for column in starts]
    )
    whole, single = models["caffenet_fcn"], models["caffenet"]
    ready: dict[str, Callable[[], Any]] = {
        "map": lambda: whole.predict(image, verbose=0),
        "one crop": lambda: single.predict(crops[:1], verbose=0),
    }
    for batch in (1, 10, 32, 64):
        ready[f"crops in batches of {batch}"] = lambda batch=batch: single.predict(
            crops, batch_size=batch, verbose=0
        )
    return {"positions": side**2, **_timed(ready, rounds, calls=1)}


def report_cases(results: list[dict[str, Any]]) -> str:
    """Times, and ratios to the best peer."""
    names = list(results[0]["seconds"])
    header = ["ms", *(result["case"] for result in results)]
    rows = [
        [name, *(f"{result['seconds'][name] * 1e3:.1f}" for result in results)] for name in names
    ]
    best = [min((s, n) for n, s in r["seconds"].items() if not n.startswith("ours")) for r in results]
    rows.append(["best peer", *(name for _, name in best)])
    for name in _OURS:
        ratios = (r["seconds"][name] / peer for r, (peer, _) in zip(results, best, strict=True))
        rows.append(
            [
                f"{name} / best peer",
                *(f"{ratio:.2f} (bar {r['bar']})" for r, ratio in zip(results, ratios, strict=True)),
            ]
        )
    over = (r["seconds"]["ours predict"] - r["seconds"]["ours function"] for r in results)
    rows.append(
        ["predict over function", *(f"{s * 1e3:.1f} (bar {_PREDICT_BAR * 1e3:.0f})" for s in over)]
    )
    rows.append(["largest difference", *(f"{max(r['differences'].values()):.0e}" for r in results)])
    rows.append(["noise", *(f"{max(r['foreign_load']):.0%}" for r in results)])
    return timing.table(header, rows)


def report_crops(result: dict[str, Any]) -> str:
    """What a map saves."""
    seconds = result["seconds"]
    fastest = min((s, name) for name, s in seconds.items() if name.startswith("crops"))
    rows = [[name, f"{value * 1e3:.1f}", f"{seconds['map'] / value:.3f}"] for name, value in seconds.items()]
    return "\n".join(
        [
            timing.table(["ms", f"{result['positions']} positions", "map / this"], rows),
            "",
            f"map / fastest way over the crops: {seconds['map'] / fastest[0]:.3f} "
            f"(bar {_CROPS_BAR:.3f}); noise {max(result['foreign_load']):.0%}",
        ]
    )


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=3, help="timed calls a round")
    parser.add_argument("--threads", type=int, default=2, help="of the peers that can be told")
    parser.add_argument("--side", type=int, default=8, help="positions along a side of the map")
    parser.add_argument("--profile", action="store_true", help="print time layer by layer")
    parser.add_argument("--output", type=Path, help="JSON file for the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models, runners = {}, {}
        for net, build in _MODELS.items():
            prototxt, caffemodel = nets.write(nets.NETS[net], folder)
            models[net] = build(weights=caffemodel)
            runners[net] = dict(
                peers.runners(models[net], prototxt, caffemodel, folder, options.threads)
            )
        if options.profile:
            for case in CASES:
                graph = folder / f"{models[case.net].name}.onnx"
                print(f"\n{case.name}\n")
                print(op_profile.report(models[case.net], graph, case.images(), options))
            return
        results = [
            measure(case, runners[case.net], options.rounds, options.calls) for case in CASES
        ]
    print(report_cases(results))
    crops = measure_crops(models, options.side, options.rounds)
    print(f"\n{report_crops(crops)}")
    if options.output:
        options.output.write_text(json.dumps({"cases": results, "crops": crops}, indent=1) + "\n")


if __name__ == "__main__":
    main()
