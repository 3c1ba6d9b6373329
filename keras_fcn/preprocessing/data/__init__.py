"""The mean image of the ILSVRC 2012 challenge that comes with Caffe, shipped and read once."""

from __future__ import annotations

import functools
from importlib import resources

import numpy as np

__all__ = ["ilsvrc_2012_mean"]


@functools.cache
def ilsvrc_2012_mean() -> np.ndarray:
    """The mean training image, `(256, 256, 3)` float32, BGR, 0..255, read-only.

    Source: `ilsvrc_2012_mean.npy` of Caffe, which holds the same numbers as `(3, 256, 256)`.
    """
    with resources.files(__name__).joinpath("ilsvrc_2012_mean.npy").open("rb") as file:
        mean: np.ndarray = np.load(file, allow_pickle=False)
    mean.setflags(write=False)
    return mean
