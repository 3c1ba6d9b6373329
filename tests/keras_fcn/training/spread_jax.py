"""A run on several devices of JAX, in a process of its own: data folder, run folder, devices."""

from __future__ import annotations

import sys

import keras

from keras_fcn import datasets
from keras_fcn.training import fine_tune
from tests.keras_fcn.training.test_backends import net


def main(shapes: str, run_folder: str, devices: int) -> None:
    """Trains; XLA_FLAGS says how many devices there are."""
    if devices > 1:
        keras.distribution.set_distribution(keras.distribution.DataParallel())
    train, val = (datasets.load_folders(shapes, split) for split in ("train", "val"))
    fine_tune(
        net(normalized=True),
        train,
        val,
        run_folder,
        epochs=2,
        batch_size=4,
        iter_size=2,
        learning_rate=0.05,
        clip_gradients=0.5,
        exports=(),
        samples=0,
        tensorboard=False,
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
