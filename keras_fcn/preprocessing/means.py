"""The mean that Caffe nets subtract from their input: a number, a pixel or an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from keras_fcn.caffe.words import either, quoted
from keras_fcn.preprocessing.data import ilsvrc_2012_mean
from keras_fcn.preprocessing.resampling import center_crop

__all__ = ["ILSVRC_2012_MEAN_PIXEL", "crop_mean", "mean_array", "normalized_mean"]

#: Average over all pixels of the ILSVRC 2012 mean image: blue, green, red.
ILSVRC_2012_MEAN_PIXEL = (104.00698793, 116.66876762, 122.67891434)

_BGR_MEANS: Mapping[str, Callable[[], ArrayLike]] = {
    "ilsvrc_2012_pixel": lambda: ILSVRC_2012_MEAN_PIXEL,
    "ilsvrc_2012": ilsvrc_2012_mean,
}

Mean = str | tuple[float, ...] | np.ndarray


def normalized_mean(mean: Any) -> Mean | None:
    """A name as it is, one or more numbers as a tuple, an image as a read-only array.

    An image of one pixel is that pixel's numbers.

    Raises:
        ValueError: an unknown name, an array of more than three axes, or values that are not
            finite.
    """
    if mean is None:
        return None
    if isinstance(mean, str):
        if mean not in _BGR_MEANS:
            raise ValueError(f"`mean` by name is one of {list(_BGR_MEANS)}. Received: {mean!r}")
        return mean
    values = np.array(mean, np.float64)
    if values.ndim > 3:
        raise ValueError(f"A mean image is (H, W, channels). Received: shape {values.shape}")
    if not values.size or not np.isfinite(values).all():
        raise ValueError(
            "`mean` must be one or more finite numbers. Received: "
            f"shape {values.shape}, {np.count_nonzero(~np.isfinite(values))} not finite"
        )
    if values.ndim < 2 or values.shape[:-1] == (1, 1):
        return tuple(np.atleast_1d(values).ravel().tolist())
    image = values.astype(np.float32).reshape(*values.shape[:2], -1)
    image.setflags(write=False)
    return image


def mean_array(mean: Mean, channels: int, channel_order: str) -> np.ndarray:
    """The values of a normalized mean, float32, in the order the net takes its channels.

    Raises:
        ValueError: neither one value nor one for each of the channels.
    """
    named = isinstance(mean, str)
    values = np.asarray(_BGR_MEANS[mean]() if isinstance(mean, str) else mean, np.float32)
    if values.shape[-1] != channels and values.size != 1:
        raise ValueError(
            f"{quoted('mean')} must have one value, or one a channel, channels last; "
            f"{either('mean=None', '--mean none')} subtracts nothing. "
            f"Received: mean of shape {values.shape} for {channels} channels"
        )
    return values[..., ::-1] if named and channel_order == "rgb" else values


def crop_mean(mean: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """The part of a mean that covers a centre crop of (height, width); a pixel covers any size.

    Raises:
        ValueError: the input is larger than the mean image.
    """
    if mean.ndim == 1:
        return mean
    height, width = size
    if height > mean.shape[0] or width > mean.shape[1]:
        pixel = either("mean='ilsvrc_2012_pixel'", "--mean ilsvrc_2012_pixel")
        raise ValueError(
            f"The mean image is smaller than the input: subtract a mean pixel instead "
            f"({pixel}, or one value a channel), or resize or crop. "
            f"Received: mean image {mean.shape[:2]}, input {(height, width)} (height, width)"
        )
    return center_crop(mean, (height, width))
