"""Text files with an image a line, and the images that they name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_fcn.caffe.definition import Fields
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.datasets.data_layers.records import RecordError
from keras_fcn.datasets.data_layers.source import Setting
from keras_fcn.datasets.folders import read_lines
from keras_fcn.preprocessing.fixed_point import resize_8bit
from keras_fcn.preprocessing.opencv_decoding import decode_bgr
from keras_fcn.preprocessing.opencv_resizing import resize_as

__all__ = ["FIELDS", "ListedImages", "nearest"]

FIELDS = "source batch_size rand_skip shuffle new_height new_width is_color root_folder"
"""What a layer's own message says of its list."""


@dataclass(frozen=True)
class ListedImages:
    """The list of a layer, and how its images are read.

    Attributes:
        setting: of the source.
        path: the list.
        lines: its lines that are not empty.
        root: what stands before the names.
        color: whether images have three channels, or are grey.
        size: height and width that they are resized to; None: none.
    """

    setting: Setting
    path: Path
    lines: tuple[str, ...]
    root: str
    color: bool
    size: tuple[int, int] | None

    @classmethod
    def of(cls, setting: Setting, fields: Fields) -> ListedImages:
        """What a layer's own message says.

        Raises:
            CaffeError: there is no list, it is no text, or one of two sizes is given.
        """
        path = setting.found(fields.get("source", ""), "list of images")
        try:
            lines = tuple(read_lines(path))
        except ValueError as error:
            raise CaffeError(f"{setting.place}: {error}") from error
        size = fields.get("new_height", 0), fields.get("new_width", 0)
        if (size[0] == 0) != (size[1] == 0):
            raise CaffeError(
                f"{setting.place}: new_height and new_width are given together. Received: "
                f"{size[0]} and {size[1]}"
            )
        root, color = fields.get("root_folder", ""), fields.get("is_color", True)
        return cls(setting, path, lines, root, color, size if size[0] else None)

    def place(self, name: str) -> Path:
        """The file that a name means, be it there or not."""
        path = Path(f"{self.root}{name}")
        return path if path.exists() else self.setting.folder / path

    def image(self, name: str) -> np.ndarray:
        """An image, `(channels, H, W)`, BGR or grey, resized.

        Raises:
            RecordError: it is missing, or not an image.
        """
        pixels = self._pixels(name, self.color)
        if self.size is not None and pixels.shape[:2] != self.size:
            pixels = resize_8bit(pixels, self.size)
        return pixels.transpose(2, 0, 1)

    def labels(self, name: str) -> np.ndarray:
        """A label map, `(1, H, W)`, not resized.

        Raises:
            RecordError: it is missing, or not an image.
            CaffeError: it has colours, which Caffe would turn to grey.
        """
        pixels = self._pixels(name, None)
        if pixels.shape[2] > 1 and (pixels[..., :1] != pixels[..., :3]).any():
            raise CaffeError(
                f"{self.setting.place}: {self.place(name)} is a label map in colours, of which "
                "Caffe makes grey that is no class; save the class numbers themselves, as grey"
            )
        return pixels[np.newaxis, :, :, 0]

    def _pixels(self, name: str, color: bool | None) -> np.ndarray:
        path = self.place(name)
        try:
            return decode_bgr(path, color)
        except OSError as error:
            raise RecordError(
                f"{self.setting.place}: {self.path} names {name!r}, and {path} cannot be read: "
                f"{error.strerror or error}"
            ) from error
        except ValueError as error:
            raise RecordError(f"{self.setting.place}: {path}: {error}") from error


def nearest(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`(channels, H, W)` resized as OpenCV's `INTER_NEAREST` does."""
    return resize_as("NEAREST", image.transpose(1, 2, 0), size).transpose(2, 0, 1)
