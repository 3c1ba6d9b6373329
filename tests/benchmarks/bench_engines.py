"""Every engine and every peer on the networks that people use, in one run.

python tests/benchmarks/bench_engines.py --output engines.json
python tests/benchmarks/bench_engines.py --nets caffenet_fcn vgg16 --rounds 9
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import engine_peers
import nets
import numpy as np
import timing

import keras_fcn

_TOLERANCE = 1e-3  # of the largest value; what our engines refuse is less
_BUSY = 0.05
_NOTE = (
    "A process a network; threads of onnxruntime sleep between calls (allow_spinning=0), on all "
    "sides. Arrays (N, H, W, C) in and out, copies counted. Ratios are to the best of onnxruntime, "
    "OpenCV and OpenVINO in float32."
)


@dataclass(frozen=True)
class Case:
    """A network on a batch of images, and the bar for `engine="auto"` / best peer."""

    net: str
    batch: int
    size: tuple[int, int]
    bar: float

    @property
    def name(self) -> str:
        """As the table names its row."""
        height, width = self.size
        return f"{self.net} {height}x{width}, batch {self.batch}"


CASES = (
    Case("caffenet_fcn", 1, (451, 451), 0.97),
    Case("caffenet", 1, (227, 227), 0.97),
    Case("caffenet", 10, (227, 227), 1.03),
    Case("vgg16", 1, (224, 224), 0.82),
    Case("googlenet", 1, (224, 224), 0.87),
    Case("mobilenet", 1, (224, 224), 1.03),
    Case("fcn8s", 1, (500, 500), 0.60),
    Case("dilation8", 1, (500, 500), 0.75),
    Case("segnet", 1, (360, 480), 1.03),
    Case("tiny", 2, (32, 32), float("inf")),
)
_PEERS = ("onnxruntime", "OpenCV", "OpenVINO")
"""Those that ratios are to; ncnn stands beside them."""


def measure(case: Case, folder: Path, rounds: int, calls: int, threads: int) -> dict[str, Any]:
    """Check that all give the same, then time them.

    Raises:
        SystemExit: one of ours differs; a wrong answer is not worth timing.
    """
    prototxt, caffemodel = nets.files(case.net, folder)
    shape = (case.batch, *case.size, 3)
    x = 60 * np.random.default_rng(0).standard_normal(shape, np.float32)
    model = keras_fcn.from_caffe(prototxt, caffemodel)
    expected = model.predict(x, verbose=0)
    ready, left_out = {}, {}
    for name, make in _candidates(model, prototxt, caffemodel, threads):
        try:
            call = make(x)
            apart = _difference(call(), expected)
        except Exception as error:  # a peer that cannot read the network has no figure
            left_out[name] = " ".join(str(error).split())
            if name == "ours, auto":
                raise
            continue
        if not apart < _TOLERANCE and "bfloat16" not in name:
            left_out[name] = f"differs by {apart:.1e} of the largest value"
            if name.startswith("ours"):
                raise SystemExit(f"{case.name}: {name} {left_out[name]}")
            continue
        ready[name] = call
    timings = timing.interleaved({x: timing.timed(y, calls) for x, y in ready.items()}, rounds)
    return {
        "case": case.name,
        "bar": case.bar,
        "multiply_adds": engine_peers.multiply_adds(prototxt, case.size) * case.batch,
        "seconds": {name: timings.median(name) for name in ready},
        "left_out": left_out,
        "foreign_load": timings.foreign,
    }


def _apart(case: Case, *how: int) -> dict[str, Any]:
    """`measure` in a process of its own, so that no case keeps another's memory."""
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    with tempfile.TemporaryDirectory() as name, pool:
        result = pool.submit(measure, case, Path(name), *how).result()
    print(f"{case.name}: done", file=sys.stderr, flush=True)
    return result


def _candidates(
    model: Any, prototxt: Path, caffemodel: Path, threads: int
) -> Iterator[tuple[str, Callable[[np.ndarray], Callable[[], np.ndarray]]]]:
    def ours(**options: Any) -> Callable[[np.ndarray], Callable[[], np.ndarray]]:
        def make(x: np.ndarray) -> Callable[[], np.ndarray]:
            fast = keras_fcn.optimize_for_inference(model, threads=threads, **options)
            return lambda: fast.predict(x, batch_size=len(x))

        return make

    yield "ours, predict", lambda x: lambda: model.predict(x, batch_size=len(x), verbose=0)
    yield "ours, auto", ours()
    for engine in ("onnxruntime", "ncnn", "openvino"):
        if find_spec(engine) is not None:
            yield f"ours, {engine}", ours(engine=engine)
    if find_spec("openvino") is not None:
        yield "ours, bfloat16", ours(engine="openvino", precision="bfloat16")
    yield from engine_peers.peers(prototxt, caffemodel, threads)


def _difference(output: Any, expected: Any) -> float:
    if np.shape(output) != np.shape(expected):
        return float("inf")
    return float(np.abs(output - expected).max() / np.abs(expected).max())


def report(results: list[dict[str, Any]], peak: float) -> str:
    """Times in milliseconds, ratios, and the share of the machine's matrix product."""
    names = list(dict.fromkeys(name for result in results for name in result["seconds"]))
    header = ["ms", *names, "auto / best peer", "bar", "auto, share of sgemm", "noise"]
    return f"{timing.table(header, [_row(x, names, peak) for x in results])}\n\n{_NOTE}"


def _row(result: Mapping[str, Any], names: list[str], peak: float) -> list[str]:
    seconds = result["seconds"]
    cells = [f"{seconds[name] * 1e3:.1f}" if name in seconds else "-" for name in names]
    peers = [value for name, value in seconds.items() if name in _PEERS]
    auto = seconds["ours, auto"]
    ratio = f"{auto / min(peers):.2f}" if peers else "-"
    share = 2 * result["multiply_adds"] / auto / peak
    noise = max(result["foreign_load"])
    return [result["case"], *cells, ratio, f"{result['bar']:g}", f"{share:.0%}", f"{noise:.0%}"]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    known = list(dict.fromkeys(case.net for case in CASES))
    parser.add_argument("--nets", nargs="+", choices=known, default=known[:-1], metavar="NET")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--calls", type=int, default=2, help="timed calls a round")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--busy", action="store_true", help="print the table of a busy machine too")
    parser.add_argument("--output", type=Path, help="JSON file for the figures")
    options = parser.parse_args()
    how = options.rounds, options.calls, options.threads
    results = [_apart(case, *how) for case in CASES if case.net in options.nets]
    peak = timing.matrix_product_peak()
    if options.output:
        figures = {"cases": results, "sgemm_flops": peak, "load": os.getloadavg()}
        options.output.write_text(json.dumps(figures, indent=1) + "\n")
    noise = max(max(result["foreign_load"]) for result in results)
    load = ", ".join(f"{x:.2f}" for x in os.getloadavg())
    print(f"load {load}; other programs took up to {noise:.0%} of the processors")
    for result in results:
        for name, why in result["left_out"].items():
            print(f"{result['case']}: {name} is left out: {why}")
    if noise > _BUSY and not options.busy:
        sys.exit(f"the machine is busy: no table ({_BUSY:.0%} is the most; --busy prints it)")
    print(f"sgemm {peak / 1e9:.0f} GFLOP/s\n\n{report(results, peak)}")


if __name__ == "__main__":
    main()
