"""Networks and pictures of the tests, of this module so that other processes find them."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

import keras_fcn
from keras_fcn.preprocessing import Preprocessing

NET = """layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 8 dim: 10 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "conv" top: "prob" }
"""
PLAIN = Preprocessing(mean=None)


@dataclass(frozen=True)
class Deadly(Preprocessing):
    """Ends its process at the picture of one grey, once.

    Attributes:
        grey: the picture's.
        mark: a file that tells that it has been done.
    """

    grey: int = 0
    mark: str = ""

    def __call__(self, pixels, *arguments, **options):
        if (pixels == self.grey).all() and not Path(self.mark).exists():
            Path(self.mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(pixels, *arguments, **options)


def model(folder, card=PLAIN):
    """A network for labels of pixels, that knows how its images are prepared."""
    (folder / "net.prototxt").write_text(NET)
    return keras_fcn.from_caffe(folder / "net.prototxt", seed=0, preprocessing=card)


def photos(folder, count):
    """Small pictures of two sizes, each of another colour, of which the eighth is broken."""
    folder.mkdir()
    paths = [folder / f"{index:04}.png" for index in range(count)]
    for index, path in enumerate(paths):
        pixels = np.zeros((8, 10 + index % 2, 3), np.uint8)
        pixels[:] = index % 256, index // 256, 99
        Image.fromarray(pixels).save(path)
    paths[7].write_bytes(b"no picture")
    return paths
