"""Facts about published models, as a file; constants that came with it at first."""

from __future__ import annotations

from keras_fcn.preprocessing.data import ilsvrc_2012_mean, imagenet_classes

__all__ = ["ilsvrc_2012_mean", "imagenet_classes"]
