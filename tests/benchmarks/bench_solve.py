"""A solver's update against the same Keras graph under plain `compile` and `fit`, in one run.

python tests/benchmarks/bench_solve.py --output solve.json

Both have the same batch in memory, SGD with momentum and a decay of the weights. The second part is
the share of a solver's run that it waits for its data layer, an image list at 360 x 480.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import bench_data
import keras
import nets
import numpy as np
import timing

import convert
import keras_fcn

_STEP_BAR = 1.1
_RATE, _MOMENTUM, _DECAY = 1e-4, 0.9, 5e-4
_SEGNET = (96, 128)  # height and width, of sizes that three poolings halve
_CLASSES = 11
_LISTED_BATCH = 8
_SOLVER = f"""net: "{{net}}"
base_lr: {_RATE} lr_policy: "fixed" momentum: {_MOMENTUM} weight_decay: {_DECAY}
max_iter: 1000000 random_seed: 1 snapshot_after_train: false
"""
_LISTED = """
layer {{ name: "data" type: "ImageData" top: "data" top: "label"
  transform_param {{ mean_value: 104 mean_value: 117 mean_value: 123 mirror: true }}
  image_data_param {{ source: "{list}" batch_size: {batch} shuffle: true }} }}
layer {{ name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param {{ num_output: 16 kernel_size: 3 pad: 1 stride: 2
    weight_filler {{ type: "msra" }} }} }}
layer {{ name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }}
layer {{ name: "conv2" type: "Convolution" bottom: "conv1" top: "conv2"
  convolution_param {{ num_output: 64 kernel_size: 3 pad: 1 stride: 2
    weight_filler {{ type: "msra" }} }} }}
layer {{ name: "relu2" type: "ReLU" bottom: "conv2" top: "conv2" }}
layer {{ name: "pool" type: "Pooling" bottom: "conv2" top: "pool"
  pooling_param {{ pool: AVE global_pooling: true }} }}
layer {{ name: "fc" type: "InnerProduct" bottom: "pool" top: "fc"
  inner_product_param {{ num_output: 11 weight_filler {{ type: "msra" }} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="updates a round")
    parser.add_argument("--output", type=Path, help="write the figures as JSON")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = [measure(case, folder, asked.rounds, asked.steps) for case in asked.nets]
        waiting = measure_waiting(folder, asked.steps)
    print(report(cases, waiting))
    if asked.output:
        asked.output.write_text(json.dumps({"cases": cases, "waiting": waiting}, indent=1))


def segnet(batch: int) -> str:
    """SegNet-Basic with a fourth of the features, on small pictures with their label maps."""
    height, width = _SEGNET
    sizes = f"dim: {height} dim: {width}"
    shapes = f"shape {{ dim: {batch} dim: 3 {sizes} }} shape {{ dim: {batch} dim: 1 {sizes} }}"
    tops = 'top: "data" top: "label"'
    text = [f'layer {{ name: "data" type: "Input" {tops} input_param {{ {shapes} }} }}']

    def add(name: str, kind: str, bottoms: str, tops: str, rest: str = "") -> None:
        blobs = [f'bottom: "{blob}"' for blob in bottoms.split()]
        blobs += [f'top: "{blob}"' for blob in tops.split()]
        text.append(f'layer {{ name: "{name}" type: "{kind}" {" ".join(blobs)} {rest} }}')

    def convolve(name: str, bottom: str, outputs: int, kernel: int = 7) -> None:
        fields = f"num_output: {outputs} kernel_size: {kernel} pad: {kernel // 2}"
        filler = 'weight_filler { type: "msra" }'
        add(name, "Convolution", bottom, name, f"convolution_param {{ {fields} {filler} }}")

    bottom = "data"
    for level in range(1, 5):
        convolve(f"conv{level}", bottom, 16)
        add(f"bn{level}", "BN", f"conv{level}", f"bn{level}")
        add(f"relu{level}", "ReLU", f"bn{level}", f"bn{level}")
        pooling = "pooling_param { pool: MAX kernel_size: 2 stride: 2 }"
        bottom, tops = f"pool{level}", f"pool{level} mask{level}"
        add(bottom, "Pooling", f"bn{level}", tops, pooling)
    for level in range(4, 0, -1):
        top = f"upsample{level}"
        add(top, "Upsample", f"{bottom} mask{level}", top, "upsample_param { scale: 2 }")
        bottom = f"decode{level}"
        convolve(bottom, top, 16)
        add(f"decode_bn{level}", "BN", bottom, f"decode_bn{level}")
        bottom = f"decode_bn{level}"
    convolve("classifier", bottom, _CLASSES, kernel=1)
    add("loss", "SoftmaxWithLoss", "classifier label", "loss")
    return "\n".join(text)


CASES: dict[str, tuple[str, Callable[[int], str], int]] = {
    "lenet": ("LeNet, batch 64", nets.NETS["lenet"].training, 64),
    "caffenet_quarter": ("CaffeNet / 4, batch 16", nets.NETS["caffenet_quarter"].training, 16),
    "segnet": ("SegNet-Basic / 4 at 96x128, batch 4", segnet, 4),
}
"""Network -> its row's name, its training prototxt of a batch size, and that size."""


def solver_of(text: str, folder: Path, **options: Any) -> keras_fcn.Solver:
    """A solver for a net."""
    (folder / "train_val.prototxt").write_text(text)
    (folder / "solver.prototxt").write_text(_SOLVER.format(net=folder / "train_val.prototxt"))
    return keras_fcn.Solver(folder / "solver.prototxt", verbose=False, **options)


def batch_of(prototxt: Path) -> dict[str, np.ndarray]:
    """Noise for the data, and labels, in Caffe's axis order."""
    random = np.random.default_rng(0)
    data, label = (blob.shape for blob in convert.load_network(prototxt, "TRAIN").inputs)
    return {
        "data": 60 * random.standard_normal(data, np.float32),
        "label": random.integers(0, 10, label).astype(np.float32),
    }


def fitting(solver: keras_fcn.Solver, batch: dict[str, np.ndarray], steps: int) -> Any:
    """What fits the solver's graph, with its own variables, to a batch so many times."""
    import tensorflow as tf

    twin = keras.Model(solver.net.inputs, solver.net.outputs)
    twin.compile(
        keras.optimizers.SGD(_RATE, _MOMENTUM, weight_decay=_DECAY),
        loss=lambda _, loss: keras.ops.sum(loss),
    )
    arrays = tuple(np.moveaxis(x, 1, -1) if x.ndim > 1 else x for x in batch.values())
    data = tf.data.Dataset.from_tensors((arrays, np.zeros(1, np.float32)))
    return partial(twin.fit, data.repeat(steps), verbose=0, shuffle=False)


def measure(case: str, folder: Path, rounds: int, steps: int) -> dict[str, Any]:
    """Time a net's updates both ways."""
    name, text, size = CASES[case]
    batch: dict[str, np.ndarray] = {}
    with solver_of(text(size), folder, feed=lambda: batch) as solver:
        batch |= batch_of(folder / "train_val.prototxt")
        ways = {
            "solver": timing.timed(partial(solver.step, steps)),
            "fit": timing.timed(fitting(solver, batch, steps)),
        }
        timings = timing.interleaved(ways, rounds)
    seconds = {each: timings.median(each) / steps for each in ways}
    return {
        "case": name,
        "seconds": seconds,
        "ratio": seconds["solver"] / seconds["fit"],
        "rounds": timings.seconds,
        "foreign_load": timings.foreign,
    }


def measure_waiting(folder: Path, steps: int) -> dict[str, Any]:
    """How long a light net waits for an image list; a heavier one waits less."""
    listed = bench_data.write_list(None, folder)
    lines = listed.read_text().splitlines()
    pairs = (f"{line.split()[0]} {number % _CLASSES}" for number, line in enumerate(lines))
    listed.write_text("\n".join(pairs))
    text = _LISTED.format(list=listed, batch=_LISTED_BATCH)
    with solver_of(text, folder) as solver:
        solver.step(1)
        waited, begun = solver.waited, time.perf_counter()
        solver.step(steps)
        took = time.perf_counter() - begun
        return {"step_seconds": took / steps, "waiting": (solver.waited - waited) / took}


def report(cases: list[dict[str, Any]], waiting: dict[str, Any]) -> str:
    """Milliseconds of an update, ratios, and the share of waiting."""
    rows = [
        [
            case["case"],
            *(f"{1e3 * seconds:.1f}" for seconds in case["seconds"].values()),
            f"{case['ratio']:.2f} (bar {_STEP_BAR})",
            f"{max(case['foreign_load']):.0%}",
        ]
        for case in cases
    ]
    heads = ["ms an update", "solver", "compile and fit", "ratio", "noise"]
    return (
        timing.table(heads, rows)
        + f"\n\nwaiting for an image list at 360x480, batch {_LISTED_BATCH}: "
        + f"{waiting['waiting']:.2%} of {1e3 * waiting['step_seconds']:.1f} ms "
        + f"(bar {bench_data.BAR:.0%})"
    )


if __name__ == "__main__":
    main()
