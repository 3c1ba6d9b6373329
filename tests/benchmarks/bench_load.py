"""Opening and reading weights files against the library that does as much: one process, one run.

python tests/benchmarks/bench_load.py --nets caffenet --output load.json
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nets
import timing

# What we do, and the peer whose time it is compared with.
_PAIRS = {
    "from_caffe, .caffemodel": "build alone",
    "from_caffe, .caffemodel.gz": "gunzip and build",
    "from_caffe, .h5": "build alone",
    "read .h5": "h5py",
}


def measure(net: nets.Net, folder: Path, rounds: int) -> dict[str, Any]:
    """Time every form of one network's files; give the medians in seconds."""
    import convert

    prototxt, caffemodel = nets.write(net, folder)
    zipped, converted = folder / f"{net.name}.caffemodel.gz", folder / f"{net.name}.h5"
    zipped.write_bytes(gzip.compress(caffemodel.read_bytes(), 1))
    convert.convert(prototxt, caffemodel, converted)
    work = _work(prototxt, caffemodel, zipped, converted)
    timings = timing.interleaved({name: timing.timed(run) for name, run in work.items()}, rounds)
    return {
        "net": net.name,
        "seconds": {name: timings.median(name) for name in work},
        "foreign_load": timings.foreign,
    }


def _work(
    prototxt: Path, caffemodel: Path, zipped: Path, converted: Path
) -> dict[str, Callable[[], object]]:
    import h5py

    import keras_fcn
    from keras_fcn.caffe.blobs.weights import open_weights

    def build() -> object:
        return keras_fcn.from_caffe(prototxt, seed=0)

    def unpack_and_build() -> object:
        with gzip.open(zipped) as file:
            file.read()
        return build()

    def read() -> None:
        with open_weights(converted) as weights:
            for name in weights:
                weights[name]

    def read_plainly() -> None:
        with h5py.File(converted) as file:
            for name in file.attrs["layer_names"]:
                for weight in file[name].attrs["weight_names"]:
                    file[name][weight][()]

    return {
        "from_caffe, .caffemodel": lambda: keras_fcn.from_caffe(prototxt, caffemodel),
        "from_caffe, .caffemodel.gz": lambda: keras_fcn.from_caffe(prototxt, zipped),
        "from_caffe, .h5": lambda: keras_fcn.from_caffe(prototxt, converted),
        "read .h5": read,
        "build alone": build,
        "gunzip and build": unpack_and_build,
        "h5py": read_plainly,
    }


def report(results: list[dict[str, Any]]) -> str:
    """The ratios to the peers as a table."""

    def cell(result: dict[str, Any], ours: str, peer: str) -> str:
        seconds = result["seconds"]
        return f"{seconds[ours]:.3f} / {seconds[peer]:.3f} = {seconds[ours] / seconds[peer]:.2f}"

    rows = [
        [f"{ours} / {peer}", *(cell(result, ours, peer) for result in results)]
        for ours, peer in _PAIRS.items()
    ]
    return timing.table(["seconds", *(result["net"] for result in results)], rows)


def main() -> None:
    """Measure the networks that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", nargs="+", choices=nets.NETS, default=["caffenet"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = [measure(nets.NETS[name], Path(folder), options.rounds) for name in options.nets]
    print(report(results))
    if options.output is not None:
        options.output.write_text(json.dumps({"files": results}, indent=1))


if __name__ == "__main__":
    main()
