"""A run in a process of its own: data folder, run folder, number of devices."""

from __future__ import annotations

import sys

import tensorflow as tf

from keras_fcn import datasets
from keras_fcn.training import find_strategy, fine_tune
from tests.keras_fcn.training.nets import tiny


def main(shapes: str, run_folder: str, devices: int) -> None:
    """Trains on CPUs; on all workers of TF_CONFIG where there are any."""
    (cpu,) = tf.config.list_physical_devices("CPU")
    logical = [tf.config.LogicalDeviceConfiguration()] * devices
    tf.config.set_logical_device_configuration(cpu, logical)
    names = [f"/cpu:{index}" for index in range(devices)]
    strategy = tf.distribute.MirroredStrategy(names) if devices > 1 else find_strategy()
    train, val = (datasets.load_folders(shapes, split) for split in ("train", "val"))
    fine_tune(
        tiny,
        train,
        val,
        run_folder,
        strategy=strategy,
        augmentation=datasets.Augmentation(scale=(0.5, 1.0), crop_size=(32, 32)),
        epochs=2,
        batch_size=2,
        iter_size=2,
        learning_rate=0.05,
        clip_gradients=0.5,
        multipliers={"*/bias": (2.0, 0.0)},
        auxiliary={"conv1": 0.4},
        exports=(),
        samples=0,
        tensorboard=False,
        verbose=False,
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
