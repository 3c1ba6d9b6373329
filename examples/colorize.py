"""Colour a picture with the network of "Colorful Image Colorization".

    python examples/colorize.py old.jpg --prototxt colorization_deploy_v2.prototxt \
        --weights colorization_release_v2.caffemodel --points pts_in_hull.npy -o colours.png

The network is given the lightness L of a picture in CIE Lab, less 50, and gives a and b, coarser;
they are enlarged, and the picture's own lightness joins them. The published weights lack the 313
colours that its last layers mix: they are in `pts_in_hull.npy`, and the probabilities are sharpened
by 2.606.

Source: Zhang, Isola and Efros, "Colorful Image Colorization", 2016; `colorization/demo` in
github.com/richzhang/colorization, branch caffe.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import keras_fcn
from keras_fcn.preprocessing import load_image
from keras_fcn.visualize import save_png

import numpy as np

SHARPER = 2.606
# Linear RGB of sRGB's primaries to XYZ, as shares of the white D65.
TO_XYZ = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
WHITE = TO_XYZ.sum(axis=1)
KINK = 6 / 29


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE Lab of sRGB, 0..1: L 0..100, a and b about -100..100."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    shares = linear @ TO_XYZ.T / WHITE
    x, y, z = np.moveaxis(
        np.where(shares > KINK**3, np.cbrt(shares), shares / (3 * KINK**2) + 4 / 29), -1, 0
    )
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def rgb(values: np.ndarray) -> np.ndarray:
    """SRGB, 0..1, of CIE Lab; colours beyond it are cut."""
    lightness, a, b = np.moveaxis(values, -1, 0)
    y = (lightness + 16) / 116
    powers = np.stack([y + a / 500, y, y - b / 200], axis=-1)
    shares = np.where(powers > KINK, powers**3, 3 * KINK**2 * (powers - 4 / 29))
    linear = np.clip(shares * WHITE @ np.linalg.inv(TO_XYZ).T, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def load(prototxt: str, weights: str, points: str | None) -> Any:
    """The network, with its colours where a file of them is given."""
    net = keras_fcn.Net(prototxt, weights, keras_fcn.TEST)
    if points is not None:
        colours = np.load(points)
        blob = net.params["class8_ab"][0]
        if colours.T.size != blob.data.size:
            raise ValueError(f"{points} must hold {blob.data.shape[1]} colours, a and b of each")
        blob.data[...] = colours.T[..., np.newaxis, np.newaxis]
        net.params["conv8_313_rh"][0].data[...] = SHARPER
    return net


def colours(net: Any, pixels: np.ndarray) -> np.ndarray:
    """The a and b that the network gives for a picture, at its size.

    Args:
        net: of `load`.
        pixels: uint8 RGB, (H, W, 3); its own colours do not count.

    Returns:
        (H, W, 2).
    """
    (name,) = net.inputs
    size = net.blobs[name].data.shape[2:]
    small = lab(keras_fcn.io.resize_image(pixels / 255, size))[..., 0]
    net.blobs[name].data[...] = small - 50
    net.forward()
    found = np.moveaxis(net.blobs["class8_ab"].data[0], 0, -1)
    return keras_fcn.io.resize_image(found, pixels.shape[:2])


def main(arguments: Sequence[str] | None = None) -> np.ndarray:
    """Write the picture beside its coloured form."""
    parser = argparse.ArgumentParser(description="Colour a picture.")
    parser.add_argument("image")
    parser.add_argument("--prototxt", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--points", metavar="NPY", help="the 313 colours, where weights lack them")
    parser.add_argument("-o", "--output", metavar="PNG", required=True)
    options = parser.parse_args(arguments)

    pixels = load_image(options.image)
    lightness = lab(pixels / 255)[..., :1]
    found = colours(load(options.prototxt, options.weights, options.points), pixels)
    picture = rgb(np.concatenate([lightness, found], axis=-1))
    grey = rgb(lightness * [1, 0, 0])
    save_png(options.output, np.concatenate([grey, picture], axis=1))
    return picture


if __name__ == "__main__":
    main()
