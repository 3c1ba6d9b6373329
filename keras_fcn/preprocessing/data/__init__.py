"""Constants of data sets: ILSVRC 2012's mean image and class names, class names and colours."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np

__all__ = ["ilsvrc_2012_mean", "imagenet_classes", "tables"]


@functools.cache
def ilsvrc_2012_mean() -> np.ndarray:
    """The mean training image, `(256, 256, 3)` float32, BGR, 0..255, read-only.

    Source: `ilsvrc_2012_mean.npy` of Caffe, which holds the same numbers as `(3, 256, 256)`.
    """
    with resources.files(__name__).joinpath("ilsvrc_2012_mean.npy").open("rb") as file:
        mean: np.ndarray = np.load(file, allow_pickle=False)
    mean.setflags(write=False)
    return mean


@functools.cache
def imagenet_classes() -> tuple[str, ...]:
    """The 1000 class names in the order of the networks' outputs, synonyms after commas.

    Source: `synset_words.txt` of Caffe's ILSVRC 2012 auxiliary files, less the WordNet ids. One
    name stands twice: `crane` is a bird at 134 and a machine at 517.
    """
    text = resources.files(__name__).joinpath("imagenet_classes.txt").read_text("utf-8")
    return tuple(text.splitlines())


@functools.cache
def tables() -> Mapping[str, Mapping[str, Any]]:
    """The tables of `datasets.toml` by the names of the data sets."""
    return tomllib.loads(resources.files(__name__).joinpath("datasets.toml").read_text("utf-8"))
