"""Constants of the ILSVRC 2012 challenge that come with Caffe, shipped as files and read once."""

from __future__ import annotations

import functools
from importlib import resources

from keras_fcn.preprocessing.data import ilsvrc_2012_mean

__all__ = ["ilsvrc_2012_mean", "imagenet_classes"]


@functools.cache
def imagenet_classes() -> tuple[str, ...]:
    """The 1000 class names in the order of the networks' outputs, synonyms after commas.

    Source: `synset_words.txt` of Caffe's ILSVRC 2012 auxiliary files, less the WordNet ids. One
    name stands twice: `crane` is a bird at 134 and a machine at 517.
    """
    text = resources.files(__name__).joinpath("imagenet_classes.txt").read_text("utf-8")
    return tuple(text.splitlines())
