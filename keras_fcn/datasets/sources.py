"""Where images and masks come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.datasets.reading import read_image, read_mask
from keras_fcn.preprocessing.images import match_channels

__all__ = ["PAIR_ERRORS", "SUFFIXES", "ImageFile", "MaskFile", "Pair", "Source", "fit_channels"]

_EXTENSIONS = "png jpg jpeg jpe jfif bmp gif ppm pgm pbm pnm tif tiff webp npy"
#: What folders are searched for.
SUFFIXES = frozenset(f".{extension}" for extension in _EXTENSIONS.split())
#: What a bad image or mask raises.
PAIR_ERRORS = (OSError, ValueError, CaffeError)
_LUMA = (0.299, 0.587, 0.114)


class Source(Protocol):
    """Where an image, or a mask, comes from.

    An image is `(H, W, channels)`, uint8 0..255 or float32 0..1. A mask is as its file has it:
    integers `(H, W)` or colours `(H, W, 3)`.
    """

    @property
    def name(self) -> str:
        """What messages call it."""

    def read(self) -> np.ndarray:
        """The pixels.

        Raises:
            OSError: the file is missing or cannot be read.
            ValueError: its content is not an image.
            CaffeError: a database or list of Caffe is wrong.
        """


@dataclass(frozen=True)
class Pair:
    """An image and its mask, not read yet.

    Attributes:
        name: what messages call it.
        image: where the image is.
        mask: where its mask is.
        ready: whether the image holds what the network takes, as floats of Caffe's HDF5 files do,
            and is no picture: see `keras_fcn.datasets.ready`.
    """

    name: str
    image: Source
    mask: Source
    ready: bool = False


@dataclass(frozen=True)
class ImageFile:
    """An image in a file of its own; see `read_image`."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    def read(self) -> np.ndarray:
        return read_image(self.path)


@dataclass(frozen=True)
class MaskFile:
    """A mask in a file of its own; see `read_mask`."""

    path: Path
    colours: bool = False

    @property
    def name(self) -> str:
        return str(self.path)

    def read(self) -> np.ndarray:
        return read_mask(self.path, self.colours)


def fit_channels(image: np.ndarray, channels: int) -> np.ndarray:
    """The image with as many channels as a network takes.

    Grey is repeated for three channels, colours become luma for one, and of four channels (RGB and
    alpha, or a fourth band) the first three are taken where three are wanted.

    Raises:
        ValueError: other numbers of channels.
    """
    have = image.shape[-1]
    if (have, channels) == (4, 3):
        return image[..., :3]
    if (have, channels) == (3, 1):
        luma = (image @ np.array(_LUMA, np.float32))[..., np.newaxis]
        return np.rint(luma).astype(np.uint8) if image.dtype == np.uint8 else luma
    return match_channels(image, channels)
