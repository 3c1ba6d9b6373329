"""Constants of the ILSVRC 2012 challenge that come with Caffe, shipped as files and read once."""

from __future__ import annotations

import functools
from importlib import resources

import numpy as np

__all__ = ["ilsvrc_2012_mean", "imagenet_classes"]


@functools.cache
def imagenet_classes() -> tuple[str, ...]:
    """The 1000 class names in the order of the networks' outputs, synonyms after commas.

    Source: `synset_words.txt` of Caffe's ILSVRC 2012 auxiliary files, less the WordNet ids. One
    name stands twice: `crane` is a bird at 134 and a machine at 517.
    """
    text = resources.files(__name__).joinpath("imagenet_classes.txt").read_text("utf-8")
    return tuple(text.splitlines())


@functools.cache
def ilsvrc_2012_mean() -> np.ndarray:
    """The mean training image, `(256, 256, 3)` float32, BGR, 0..255, read-only.

    Source: `ilsvrc_2012_mean.npy` of Caffe, which holds the same numbers as `(3, 256, 256)`.
    """
    with resources.files(__name__).joinpath("ilsvrc_2012_mean.npy").open("rb") as file:
        mean: np.ndarray = np.load(file, allow_pickle=False)
    mean.setflags(write=False)
    return mean
