"""Sources of images and masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.preprocessing.reading import SUFFIXES, read_image, read_mask

__all__ = ["PAIR_ERRORS", "SUFFIXES", "ImageFile", "Kept", "Label", "MaskFile", "Pair", "Source"]

#: What a bad image or mask raises.
PAIR_ERRORS = (OSError, ValueError, CaffeError)


class Source(Protocol):
    """Source of an image, of a mask, or of a label.

    An image is `(H, W, channels)`, uint8 0..255 or float32 0..1. A mask is as its file has it:
    integers `(H, W)` or colours `(H, W, 3)`. A label is an integer without axes.
    """

    @property
    def name(self) -> str:
        """Its name in messages."""

    def read(self) -> np.ndarray:
        """The pixels.

        Raises:
            OSError: the file is missing or cannot be read.
            ValueError: its content is not an image.
            CaffeError: a database or list of Caffe is wrong.
        """


@dataclass(frozen=True)
class Pair:
    """An image and its mask, or the label of the whole of it, not read yet.

    Attributes:
        name: what messages call it.
        image: where the image is.
        mask: where its mask is; of a `ClassificationDataset`, where its label is.
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


class Kept:
    """A source whose pixels stay in memory once they were read.

    Args:
        source: where they are.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._pixels: np.ndarray | None = None

    @property
    def name(self) -> str:
        return self._source.name

    def read(self) -> np.ndarray:
        pixels = self._pixels
        if pixels is None:  # two threads that read at once read the same
            pixels = np.array(self._source.read())
            pixels.flags.writeable = False
            self._pixels = pixels
        return pixels


@dataclass(frozen=True)
class Label:
    """The label of a whole image, as a list or a folder has it.

    Attributes:
        path: of the list or folder.
        image: the image's name there.
        number: the label.
    """

    path: Path
    image: str
    number: int

    @property
    def name(self) -> str:
        return f"{self.path}: {self.image}"

    def read(self) -> np.ndarray:
        return np.array(self.number)
