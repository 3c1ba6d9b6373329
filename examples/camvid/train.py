"""Train a network on CamVid, from random weights, on a CPU or a GPU.

    python examples/camvid/train.py CamVid -o out/camvid
    python examples/camvid/train.py CamVid -o out/enet --network enet

`CamVid` holds `images`, `labels`, `train.txt` and `val.txt`, or another of the forms that
`keras_fcn.datasets.load_camvid` reads. A run that was stopped goes on when it is started again.
Decoded images stay in memory. KERAS_BACKEND chooses between tensorflow, jax and torch.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence

import keras_fcn
from keras_fcn import datasets
from keras_fcn.datasets import SegmentationDataset
from keras_fcn.training import SegmentationResult, fine_tune, median_frequency_weights

import keras
import numpy as np
from road_net import road_net

AUGMENTATION = datasets.Augmentation(
    scale=(0.7, 1.6), rotation=3, brightness=0.1, contrast=0.3, saturation=0.3
)


NETWORKS: Mapping[str, Callable[..., keras.Model]] = {
    "road_net": road_net,
    "segnet_basic": keras_fcn.SegNetBasic,
    "enet": keras_fcn.ENet,
}


def height_and_width(text: str) -> tuple[int, int]:
    """`240x320`, multiples of 8."""
    height, width = map(int, text.split("x"))
    return height, width


def make_network(name: str, classes: int, size: tuple[int, int], width: int) -> keras.Model:
    """A network with random weights, whose images are brought to a size."""
    if name == "road_net":
        return road_net(classes, size, width)
    model = NETWORKS[name](classes=classes)
    own = dataclasses.replace(model.card.preprocessing, size=size)
    return keras_fcn.with_card(model, preprocessing=own)


def class_weights(data: SegmentationDataset) -> tuple[float, ...]:
    """Square roots of the median-frequency weights.

    In full a bicyclist's pixel would count 72 times one of the road; so it counts 8 times.
    """
    return tuple(np.sqrt(median_frequency_weights(data)).tolist())


def main(arguments: Sequence[str] | None = None) -> SegmentationResult:
    """Train and print the table; returns the figures on val."""
    parser = argparse.ArgumentParser(description="Train a small network on CamVid.")
    parser.add_argument("folder", help="of CamVid")
    parser.add_argument("-o", "--output", default="out/camvid", help="the run's folder")
    parser.add_argument("--network", choices=NETWORKS, default="road_net")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument(
        "--size", type=height_and_width, default=(240, 320), help="HxW, multiples of 8"
    )
    parser.add_argument("--width", type=int, default=24, help="channels of road_net's first")
    options = parser.parse_args(arguments)

    train, val = (
        datasets.load_camvid(options.folder, split).in_memory() for split in ("train", "val")
    )
    # Multiples of the network's stride of 8, near four fifths of the image.
    crop = tuple(max(8 * round(length / 10), 8) for length in options.size)
    started = time.monotonic()
    result = fine_tune(
        lambda: make_network(options.network, len(train.classes), options.size, options.width),
        train,
        val,
        options.output,
        augmentation=AUGMENTATION,
        epochs=options.epochs,
        batch_size=options.batch_size,
        crop_size=crop,
        class_weights=class_weights(train),
        optimizer="adamw",
        learning_rate=2e-3,
        power=0.9,
        weight_decay=0,  # AdamW has its own
        validate_every=5,
        samples=len(val),
        exports=("keras",),
    )
    minutes = (time.monotonic() - started) / 60
    print(f"{minutes:.1f} minutes of wall time, {time.process_time() / 60:.1f} of the processors")
    print(f"epoch {result.best_epoch} on {val.name}:\n{result.metrics}")
    return result.metrics


if __name__ == "__main__":
    main()
