"""A solver in a process of its own: folder, number of devices, iter_size, updates, result."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_fcn.solver import Solver

NET = """
name: "spread"
layer { name: "data" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 4 dim: 2 dim: 6 dim: 6 } shape { dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { lr_mult: 2 }
  convolution_param { num_output: 4 kernel_size: 3 bias_term: false
    weight_filler { type: "xavier" } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "bn" }
layer { name: "relu" type: "ReLU" bottom: "bn" top: "bn" }
layer { name: "fc" type: "InnerProduct" bottom: "bn" top: "fc"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""
SOLVER = """net: "net.prototxt"
base_lr: 0.05 lr_policy: "step" gamma: 0.5 stepsize: 2 momentum: 0.9 weight_decay: 0.01
max_iter: 9 random_seed: 3 iter_size: {iter_size}
"""


def batch(number: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(number)
    return {
        "data": random.standard_normal((4, 2, 6, 6), np.float32),
        "label": random.integers(0, 3, 4).astype(np.float32),
    }


def main(folder: str, devices: int, iter_size: int, updates: int, result: str) -> None:
    (cpu,) = tf.config.list_physical_devices("CPU")
    logical = [tf.config.LogicalDeviceConfiguration()] * devices
    tf.config.set_logical_device_configuration(cpu, logical)
    names = [f"/cpu:{index}" for index in range(devices)]
    strategy = tf.distribute.MirroredStrategy(names) if devices > 1 else None
    path = Path(folder)
    (path / "net.prototxt").write_text(NET)
    (path / "solver.prototxt").write_text(SOLVER.format(iter_size=iter_size))
    with Solver(
        path / "solver.prototxt",
        feed=map(batch, range(100)),
        strategy=strategy,
        verbose=False,
    ) as solver:
        loss = solver.step(updates)
        params = {f"{n}/{i}": x.data for n, p in solver.params.items() for i, x in enumerate(p)}
    np.savez(result, loss=loss, **params)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5])
