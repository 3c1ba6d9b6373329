"""Whether the data layers keep up: the share of a training's time that it waits for data.

python tests/benchmarks/bench_data.py --folder ../shared/data/camvid --output data.json

A small segmentation network is trained on pictures of 360 x 480 with their label maps, as SegNet's
layer DenseImageData reads them. The network is light on purpose: a heavier one waits less.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

BAR = 0.05
_SIZE = (360, 480)
_MADE = 40  # pictures, where no folder is given
_NET = """
layer {{ name: "data" type: "DenseImageData" top: "data" top: "label"
  transform_param {{ mean_value: 104 mean_value: 117 mean_value: 123 mirror: true }}
  dense_image_data_param {{ source: "{list}" batch_size: {batch} shuffle: true }} }}
layer {{ name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param {{ num_output: 16 kernel_size: 3 pad: 1 stride: 2
    weight_filler {{ type: "msra" }} }} }}
layer {{ name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }}
layer {{ name: "conv2" type: "Convolution" bottom: "conv1" top: "conv2"
  convolution_param {{ num_output: 32 kernel_size: 3 pad: 1 stride: 2
    weight_filler {{ type: "msra" }} }} }}
layer {{ name: "relu2" type: "ReLU" bottom: "conv2" top: "conv2" }}
layer {{ name: "conv3" type: "Convolution" bottom: "conv2" top: "conv3"
  convolution_param {{ num_output: 32 kernel_size: 3 pad: 1
    weight_filler {{ type: "msra" }} }} }}
layer {{ name: "relu3" type: "ReLU" bottom: "conv3" top: "conv3" }}
layer {{ name: "score" type: "Convolution" bottom: "conv3" top: "score"
  convolution_param {{ num_output: 12 kernel_size: 1 weight_filler {{ type: "msra" }} }} }}
layer {{ name: "up" type: "Deconvolution" bottom: "score" top: "up" param {{ lr_mult: 0 }}
  convolution_param {{ num_output: 12 group: 12 kernel_size: 4 stride: 4 bias_term: false
    weight_filler {{ type: "bilinear" }} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "up" bottom: "label" top: "loss"
  loss_param {{ ignore_label: 11 }} }}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="of images/ and labels/; default: made ones")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20, help="a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, help="write the figures as JSON")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(asked, Path(folder))
    print("| | |\n| --- | ---: |")
    print(f"| one batch read alone | {1e3 * figures['read_seconds']:.1f} ms |")
    print(f"| one step | {1e3 * figures['step_seconds']:.1f} ms |")
    print(
        f"| of which waiting for data | {100 * figures['waiting']:.2f} % (bar {100 * BAR:.0f} %) |"
    )
    if asked.output:
        asked.output.write_text(json.dumps(figures, indent=1))


def measure(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Medians over the rounds."""
    import tensorflow as tf

    import keras_fcn
    from keras_fcn.caffe.net.assembly import load_network
    from keras_fcn.datasets.data_layers import open_source

    listed = write_list(asked.folder, folder)
    prototxt = folder / "net.prototxt"
    prototxt.write_text(_NET.format(list=listed, batch=asked.batch))
    layer = load_network(prototxt, "TRAIN").layers[0]
    with open_source(layer, "TRAIN", folder, 0) as source:
        sizes = {"data": (3, *_SIZE), "label": (1, *_SIZE)}
        model = keras_fcn.from_caffe(prototxt, phase="TRAIN", input_shapes=sizes, seed=0)
        step = training_step(tf, model)
        read = [seconds(source.next) for _ in range(asked.steps)]

        def one() -> None:
            batch = source.next()
            step(*(np.moveaxis(batch[top], 1, -1) for top in ("data", "label")))

        one()
        shares, steps = [], []
        for _ in range(asked.rounds):
            before = source.waited
            took = seconds(lambda: [one() for _ in range(asked.steps)])
            shares.append((source.waited - before) / took)
            steps.append(took / asked.steps)
    return {
        "pictures": str(asked.folder or "made"),
        "batch": asked.batch,
        "read_seconds": statistics.median(read),
        "step_seconds": statistics.median(steps),
        "waiting": statistics.median(shares),
        "waiting_by_round": shares,
    }


def training_step(tf: Any, model: Any) -> Any:
    """An update by plain SGD."""
    weights = model.trainable_variables

    @tf.function
    def step(data: Any, label: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = model([data, label], training=True)
        gradients = tape.gradient(loss, weights)
        for weight, gradient in zip(weights, gradients, strict=True):
            if gradient is not None:
                weight.assign_sub(1e-4 * gradient)
        return loss

    return lambda *arrays: step(*map(tf.constant, arrays)).numpy()


def write_list(pictures: Path | None, folder: Path) -> Path:
    """A list of pictures with their label maps."""
    from PIL import Image

    if pictures is None:
        pictures = folder
        random = np.random.default_rng(0)
        for kind in ("images", "labels"):
            (folder / kind).mkdir()
        for number in range(_MADE):
            pixels = random.integers(0, 256, (45, 60, 3), np.uint8)
            labels = random.integers(0, 12, (45, 60), np.uint8)
            wide = _SIZE[::-1]
            image = Image.fromarray(pixels).resize(wide, Image.Resampling.BICUBIC)
            image.save(folder / "images" / f"{number}.jpg", quality=90)
            Image.fromarray(labels).resize(wide, Image.Resampling.NEAREST).save(
                folder / "labels" / f"{number}.png"
            )
    pairs = [
        f"{image.resolve()} {(pictures / 'labels' / image.stem).resolve()}.png"
        for image in sorted((pictures / "images").iterdir())
    ]
    (folder / "list.txt").write_text("\n".join(pairs))
    return folder / "list.txt"


def seconds(work: Any) -> float:
    """How long it takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
