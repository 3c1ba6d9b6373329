"""Labels of an image larger than memory, against the network on the same tiles.

python tests/benchmarks/bench_large.py --nets CaffeNetFCN --size 20000 20000

The image is a tiled GeoTIFF of random blocks. `segment_file` reads it, runs the network, enlarges
the scores, and writes the labels; the bare model is given as many arrays of the tile's size, the
mean of some taken right before and right after.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import rasterio
import timing
from rasterio.windows import Window

import keras_fcn

BAR = 0.9
PEAK_BAR = 2e9
_BLOCK = 512
_CLASSES = 21
_NETS = ("CaffeNetFCN", "FCN8s", "LeNetFCN")


def measure(net: str, folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Seconds a tile of both, and the most memory that the process had."""
    model = _model(net, asked.engine)
    source = _image(folder / "image.tif", *asked.size)
    shown = _Shown()
    plain = keras_fcn.Preprocessing(mean=(104, 117, 123))
    start = time.perf_counter()
    written = keras_fcn.segment_file(
        *(model, source, folder / f"{net}.tif"),
        tile=asked.tile,
        preprocessing=plain,
        progress=shown,
    )
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    tile = np.random.default_rng(0).uniform(-100, 100, (1, *written.tile, 3)).astype(np.float32)
    bare = timing.timed(lambda: model.predict(tile, verbose=0), asked.bare)()
    return {
        "net": net,
        "engine": asked.engine or "keras",
        "size": asked.size,
        "tile": written.tile,
        "tiles": written.tiles,
        "seconds": seconds,
        "tile_seconds": {"segment_file": seconds / written.tiles, "bare model": bare},
        "ratio": bare * written.tiles / seconds,
        "peak_bytes": peak,
    }


def _model(net: str, engine: str | None) -> Any:
    model = getattr(keras_fcn, net)(classes=_CLASSES)
    return model if engine is None else keras_fcn.optimize_for_inference(model, engine=engine)


def _image(path: Path, rows: int, columns: int) -> Path:
    """Blocks of noise, each of another color."""
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 3, "height": rows, "width": columns}
    random = np.random.default_rng(0)
    noise = random.integers(0, 64, (3, _BLOCK, _BLOCK)).astype(np.uint8)
    blocks = {"tiled": True, "blockxsize": _BLOCK, "blockysize": _BLOCK, "interleave": "pixel"}
    with rasterio.open(path, "w", **profile, **blocks) as image:
        for top in range(0, rows, _BLOCK):
            for left in range(0, columns, _BLOCK):
                height, width = min(_BLOCK, rows - top), min(_BLOCK, columns - left)
                color = random.integers(0, 192, (3, 1, 1)).astype(np.uint8)
                window = Window(left, top, width, height)
                image.write((noise + color)[:, :height, :width], window=window)
    return path


class _Shown:
    """Says now and then how far the work is."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def __call__(self, done: int, tiles: int) -> None:
        now = time.perf_counter()
        if now - self._last > 60 or done == tiles:
            print(f"{done} of {tiles} tiles", flush=True)
            self._last = now


def _row(result: dict[str, Any]) -> list[str]:
    height, width = result["tile"]
    return [
        f"{result['net']} {'x'.join(map(str, result['size']))}",
        f"{result['tiles']} of {height}x{width}",
        *(f"{each:.2f}" for each in result["tile_seconds"].values()),
        f"{result['ratio']:.2f}",
        f"{BAR:g}",
        f"{result['peak_bytes'] / 1e6:.0f}",
        f"{PEAK_BAR / 1e6:.0f}",
    ]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", nargs="+", choices=_NETS, default=_NETS[:1], metavar="NET")
    parser.add_argument("--engine", choices=("onnxruntime", "ncnn"), help="default: Keras")
    parser.add_argument("--size", type=int, nargs=2, default=(20000, 20000), metavar="PIXELS")
    parser.add_argument("--tile", default="auto", help="as segment_file takes it")
    parser.add_argument("--bare", type=int, default=8, help="tiles for the bare model's mean")
    parser.add_argument("--output", type=Path, help="JSON file for the figures")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        results = [measure(net, Path(name), asked) for net in asked.nets]
    header = ["seconds a tile", "tiles", "segment_file", "bare", "ratio", "bar", "peak MB", "bar"]
    print(timing.table(header, [_row(each) for each in results]))
    if asked.output:
        asked.output.write_text(json.dumps({"images": results}, indent=1))


if __name__ == "__main__":
    main()
