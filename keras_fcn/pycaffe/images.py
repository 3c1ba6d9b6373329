"""Images as `caffe.io` reads and resizes them."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

import numpy as np
import numpy.typing as npt

from keras_fcn import preprocessing
from keras_fcn.caffe.layers.base import Array
from keras_fcn.preprocessing import resampling

_LUMA = np.array([0.2125, 0.7154, 0.0721], np.float32)  # scikit-image's rgb2gray


def load_image(filename: str | PathLike[str], color: bool = True) -> Array:
    """Read an image as `caffe.io.load_image` does.

    Args:
        filename: the file.
        color: True for RGB; False for grey, 0.2125 R + 0.7154 G + 0.0721 B.

    Returns:
        float32 0..1, (H, W, 3), or (H, W, 1) where `color` is False.

    Raises:
        ValueError: see `keras_fcn.preprocessing.load_image`.
    """
    image = preprocessing.load_image(filename) / np.float32(255)
    return image if color else (image @ _LUMA)[..., np.newaxis]


def resize_image(im: npt.ArrayLike, new_dims: Sequence[int], interp_order: int = 1) -> Array:
    """Resize an image by linear interpolation, see `keras_fcn.preprocessing.resampling.resize`.

    As in pycaffe, images of 1 or 3 channels are read at the middles of their pixels (as
    scikit-image does), others from corner to corner (as `scipy.ndimage.zoom` does).

    Args:
        im: (H, W, channels).
        new_dims: (height, width) of the result.
        interp_order: 1.

    Returns:
        float32, (height, width, channels).

    Raises:
        ValueError: another order than 1, or no image.
    """
    if interp_order != 1:
        raise ValueError(f"interp_order must be 1, linear. Received: {interp_order}")
    image = np.array(im, np.float32)
    if image.ndim != 3:
        raise ValueError(f"an image has (H, W, channels). Received: shape {image.shape}")
    height, width = map(int, new_dims)
    kind = "bilinear" if image.shape[-1] in (1, 3) else "bilinear_corners"
    return resampling.resize(image, (height, width), kind)


def oversample(images: Sequence[npt.ArrayLike], crop_dims: Sequence[int]) -> Array:
    """Ten crops of each image: corners, centre, and these mirrored.

    Args:
        images: images (H, W, channels) of one size.
        crop_dims: (height, width) of a crop.

    Returns:
        float32, (10 * N, height, width, channels).

    Raises:
        ValueError: images of several sizes, or a crop that does not fit.
    """
    height, width = map(int, crop_dims)
    crops = resampling.oversample(np.stack([np.asarray(x) for x in images]), (height, width))
    return crops.astype(np.float32)
