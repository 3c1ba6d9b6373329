"""Many images by the command line's loop against the bare model on the same batches.

python tests/benchmarks/bench_many.py --output many.json
python tests/benchmarks/bench_many.py --nets caffenet_fcn --engine onnxruntime --images 500

Both go over the same images. The bare model is given them decoded and prepared; the loop decodes
JPEG, prepares, runs the network, makes the answer, and writes it (of maps a PNG), in threads.
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
import timing

import keras_fcn

BAR = 0.9


@dataclass(frozen=True)
class Case:
    """A network, the command for it, the size of its images, and how many go together."""

    net: str
    command: str
    size: tuple[int, int]
    batch: int

    @property
    def name(self) -> str:
        """As the table names its row."""
        height, width = self.size
        return f"{self.net} {height}x{width}, {self.command}, batch {self.batch}"


CASES = (
    Case("caffenet", "classify", (227, 227), 1),
    Case("caffenet", "classify", (227, 227), 10),
    Case("caffenet_fcn", "segment", (451, 451), 1),
    Case("segnet", "segment", (360, 480), 1),
    Case("tiny", "segment", (32, 32), 8),
)


def measure(case: Case, folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Images a second of both."""
    prototxt, caffemodel = nets.files(case.net, folder)
    preprocessing = keras_fcn.Preprocessing(mean=(104, 117, 123))
    if asked.engine is None:
        model = keras_fcn.from_caffe(prototxt, caffemodel, preprocessing=preprocessing)
    else:
        model = keras_fcn.optimize_for_inference(prototxt, caffemodel, engine=asked.engine)
        model.card = keras_fcn.with_card(
            keras_fcn.from_caffe(prototxt), preprocessing=preprocessing
        ).card
    photos = _photos(folder / f"photos_{case.net}", case.size, asked.images)
    candidates = {
        "bare model": _bare(model, photos, preprocessing, case.batch),
        "the loop": _loop(model, photos, case, folder / f"out_{case.net}"),
    }
    timings = timing.interleaved(
        {name: timing.timed(run) for name, run in candidates.items()}, asked.rounds
    )
    seconds = {name: timings.median(name) for name in candidates}
    return {
        "case": case.name,
        "engine": asked.engine or "keras",
        "images": asked.images,
        "images_per_second": {name: asked.images / each for name, each in seconds.items()},
        "ratio": seconds["bare model"] / seconds["the loop"],
        "foreign_load": timings.foreign,
    }


def _photos(folder: Path, size: tuple[int, int], count: int) -> list[Path]:
    """JPEGs with shapes as photographs have them, soft and of many colours."""
    from PIL import Image

    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    paths = [folder / f"{index:05}.jpg" for index in range(count)]
    for path in paths:
        small = Image.fromarray(random.integers(0, 256, (12, 16, 3), np.uint8))
        small.resize(size[::-1], Image.Resampling.BICUBIC).save(path, quality=90)
    return paths


def _bare(model: Any, photos: list[Path], preprocessing: Any, batch: int) -> Callable[[], None]:
    from keras_fcn.inference.pictures import read_input

    some = np.stack([preprocessing(read_input(path, 3)) for path in photos[:batch]])

    def run() -> None:
        for start in range(0, len(photos), batch):
            model.predict(some[: len(photos) - start], batch_size=batch, verbose=0)

    return run


def _loop(model: Any, photos: list[Path], case: Case, out: Path) -> Callable[[], None]:
    from keras_fcn.cli import classify, segment
    from keras_fcn.cli.label_files import FORMATS
    from keras_fcn.cli.output_names import output_names
    from keras_fcn.cli.showing import Asked, shower
    from keras_fcn.inference.jobs import results

    if case.command == "segment":
        form = FORMATS["npz" if model.output_shape[-1] > 256 else "png"]
        task = segment.task(model, lambda name: out / f"{name}{form.suffix}", form=form)
    else:
        task = classify.task(model, argparse.Namespace(top=5))
    asked = Asked(text=True, records=True, notes=False, several=True, stop=True)
    show = shower(task, output_names(photos), asked)

    def run() -> None:
        for shown in results(task.job, photos, show, batch=case.batch):
            if shown.error is not None:
                raise shown.error

    return run


def _row(result: dict[str, Any]) -> list[str]:
    speeds = [f"{each:.1f}" for each in result["images_per_second"].values()]
    noise = max(result["foreign_load"])
    return [result["case"], *speeds, f"{result['ratio']:.2f}", f"{BAR:g}", f"{noise:.0%}"]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    known = list(dict.fromkeys(case.net for case in CASES))
    parser.add_argument("--nets", nargs="+", choices=known, default=known[:-1], metavar="NET")
    parser.add_argument("--engine", choices=("onnxruntime", "ncnn"), help="default: Keras")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, help="JSON file for the figures")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        results = [measure(case, Path(name), asked) for case in CASES if case.net in asked.nets]
    header = ["images a second", "bare model", "the loop", "ratio", "bar", "noise"]
    print(timing.table(header, [_row(each) for each in results]))
    if asked.output:
        asked.output.write_text(json.dumps({"cases": results}, indent=1))


if __name__ == "__main__":
    main()
