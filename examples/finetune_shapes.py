"""Train a small network to label shapes: minutes on a CPU, nothing to download.

    python examples/finetune_shapes.py -o out/shapes

The same call of ``keras_fcn.fine_tune`` trains any network of keras-fcn, or one that was
converted, on a folder of images and masks. A run that was stopped goes on when it is started again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras_fcn
from keras_fcn import datasets
from keras_fcn.datasets import shapes
from keras_fcn.training import SegmentationResult

import keras


def conv_bn_relu(x: Any, filters: int, size: int, name: str, **options: Any) -> Any:
    """A convolution that keeps the size, batch normalization and a ReLU."""
    options = {"padding": "same", "use_bias": False, **options}
    x = keras.layers.Conv2D(filters, size, name=name, **options)(x)
    x = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def shape_net(classes: int, width: int = 32) -> keras.Model:
    """Dilated convolutions at half the image's size say what, fine ones where.

    Returns:
        A functional model, (N, height, width, classes) logits; both sizes must be even.
    """
    image = keras.Input((None, None, 3), name="data")
    fine = conv_bn_relu(image, 8, 3, "conv1")
    x = conv_bn_relu(fine, width, 3, "conv2", strides=2)
    for dilation in (1, 2, 4, 8):
        x = conv_bn_relu(x, width, 3, f"context{dilation}", dilation_rate=dilation)
    x = conv_bn_relu(x, 16, 1, "narrow")
    x = keras.layers.UpSampling2D(2, name="upsample")(x)
    x = keras.layers.Concatenate(name="concat")([x, fine])
    x = conv_bn_relu(x, 16, 3, "fuse")
    scores = keras.layers.Conv2D(classes, 1, name="score")(x)
    own = keras_fcn.Preprocessing(mean=(120.0, 120.0, 120.0), input_scale=1 / 64)
    return keras_fcn.with_card(keras.Model(image, scores, name="shape_net"), preprocessing=own)


def main(arguments: Sequence[str] | None = None) -> SegmentationResult:
    """Write the data, train, print the table; returns the figures on val."""
    parser = argparse.ArgumentParser(description="Train a small network to label shapes.")
    parser.add_argument("-o", "--output", type=Path, default=Path("out/shapes"))
    parser.add_argument("--images", type=int, default=400, help="to train on")
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--width", type=int, default=32, help="channels of the middle layers")
    options = parser.parse_args(arguments)

    data = shapes.write(options.output / "data", options.images, val=max(options.images // 8, 1))
    train, val = (datasets.load(data, split) for split in ("train", "val"))
    result = keras_fcn.fine_tune(
        lambda: shape_net(len(train.classes), options.width),
        train,
        val,
        options.output / "run",
        augmentation=datasets.Augmentation(scale=(1.0, 1.0)),
        epochs=options.epochs,
        batch_size=4,
        optimizer="adam",
        learning_rate=3e-3,
        weight_decay=0,
        validate_every=2,
        samples=8,
        exports=("keras",),
    )
    print(result.metrics)
    print(f"pictures: {result.run_folder / 'samples'}, model: {result.run_folder / 'model.keras'}")
    return result.metrics


if __name__ == "__main__":
    main()
