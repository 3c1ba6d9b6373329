"""Filters by hand: a network of one convolution that blurs and finds edges.

    python examples/designer_filters.py cat.jpg -o filtered.png

As in Caffe's net surgery example: its weights are set to a Gaussian blur and two Sobel kernels,
and a bias raised by 1 raises what its filter gives by 1.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import keras_fcn
from keras_fcn.preprocessing import load_image
from keras_fcn.visualize import activations, save_png

import keras
import numpy as np

PROTOTXT = """
name: "designer"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 1 dim: 100 dim: 100 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 3 kernel_size: 5
    weight_filler { type: "gaussian" std: 0.01 } } }
"""


def gaussian_kernel(side: int, sigma: float) -> np.ndarray:
    """A blur whose weights sum to 1."""
    distance = np.arange(side) - side // 2
    bell = np.exp(-(distance**2) / (2 * sigma**2))
    kernel = np.outer(bell, bell)
    return kernel / kernel.sum()


def sobel_kernel(side: int) -> np.ndarray:
    """Horizontal gradient: columns left of the middle against those right of it."""
    difference = np.zeros((side, side))
    middle = side // 2
    difference[middle - 1 : middle + 2, middle - 1] = (-1, -2, -1)
    difference[middle - 1 : middle + 2, middle + 1] = (1, 2, 1)
    return difference


def designer_net() -> keras.Model:
    """The network, its three filters set: blur, horizontal and vertical edges."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "conv.prototxt"
        path.write_text(PROTOTXT)
        model = keras_fcn.from_caffe(path)
    sobel = sobel_kernel(5)
    kernel = np.stack([gaussian_kernel(5, 1.0), sobel, sobel.T], axis=-1)[:, :, np.newaxis]
    model.get_layer("conv").set_weights([kernel, np.zeros(3)])
    return model


def main(arguments: Sequence[str] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Filter the picture; returns the means of the filters before and after."""
    parser = argparse.ArgumentParser(description="Filter a picture with filters made by hand.")
    parser.add_argument("image")
    parser.add_argument("-o", "--output", default="filtered.png", help="the picture to write")
    options = parser.parse_args(arguments)

    model = designer_net()
    grey = load_image(options.image, color=False) / np.float32(255)
    data = grey.transpose(2, 0, 1)[np.newaxis]
    before = keras_fcn.blobs(model, data)["conv"]
    shown = np.concatenate([data[:, :, 2:-2, 2:-2], before], axis=1)
    save_png(options.output, activations(shown, each=True))

    model.get_layer("conv").bias.assign_add([1, 0, 0])
    after = keras_fcn.blobs(model, data)["conv"]
    means = before.mean(axis=(0, 2, 3)), after.mean(axis=(0, 2, 3))
    for name, old, new in zip(("blur", "sobel x", "sobel y"), *means, strict=True):
        print(f"{name:8} mean {old:+.4f}, with the blur's bias raised by 1 {new:+.4f}")
    return means


if __name__ == "__main__":
    main()
