"""A run in a process of its own, which a test kills: data folder, run folder."""

from __future__ import annotations

import sys

from keras_fcn import datasets
from keras_fcn.training import fine_tune
from tests.keras_fcn.training.nets import tiny


def main(shapes: str, run_folder: str) -> None:
    """Trains, and writes a checkpoint at every update."""
    train, val = (datasets.load_folders(shapes, split) for split in ("train", "val"))
    fine_tune(
        tiny(dropout=0.3),
        train,
        val,
        run_folder,
        augmentation=datasets.Augmentation(brightness=0.1),
        epochs=6,
        batch_size=2,
        learning_rate=0.05,
        save_every=1,
        exports=(),
        samples=0,
        tensorboard=False,
        verbose=False,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
