"""`transform_param`: crop, mirror, mean and scale.

Source: `src/caffe/data_transformer.cpp` of BVLC Caffe 1.0.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_fcn.caffe.blobs.binaryproto import read_binaryproto
from keras_fcn.caffe.definition import Fields
from keras_fcn.caffe.errors import CaffeError, UnsupportedLayerError
from keras_fcn.datasets.data_layers.source import Setting

__all__ = ["Transformer", "Window"]

_FIELDS = (
    *("scale", "mirror", "crop_size", "mean_file", "mean_value"),
    *("force_color", "force_gray"),
)


@dataclass(frozen=True)
class Window:
    """The part of an image that is taken, and whether it is mirrored."""

    top: int
    left: int
    height: int
    width: int
    mirrored: bool = False

    def of(self, image: np.ndarray) -> np.ndarray:
        """The part of `(channels, H, W)`."""
        part = self.unmirrored(image)
        return part[:, :, ::-1] if self.mirrored else part

    def unmirrored(self, image: np.ndarray) -> np.ndarray:
        """The part as it lies in the image."""
        bottom, right = self.top + self.height, self.left + self.width
        return image[:, self.top : bottom, self.left : right]


class Transformer:
    """Transforms images as a layer's `transform_param` says.

    Args:
        setting: of the source.
        crops: fields of a fork for the height and the width of the crop.
        others: fields of a fork that the source itself heeds.

    Attributes:
        color: what encoded images are decoded to: True, False for grey, None as they are.
        crop: height and width of the crop; None for whole images.
        mirror: whether one image of two is mirrored.
        mean: `(channels, H, W)`, or `(channels, 1, 1)` where it is of values; None for none.
        has_mean_values: whether it is of values.

    Raises:
        CaffeError: fields that contradict each other, or no mean file.
        UnsupportedLayerError: a fork's field.
    """

    def __init__(
        self,
        setting: Setting,
        crops: Sequence[tuple[str, str]] = (),
        others: Sequence[str] = (),
    ) -> None:
        self._place = setting.place
        fields = setting.message("transform_param")
        for name in fields:
            if name not in (*_FIELDS, *others, *itertools.chain(*crops)):
                raise UnsupportedLayerError(
                    f"{self._place}: transform_param has {name}, which is a fork's and not "
                    "computed here; transform the images beforehand, and take it away"
                )
        if fields.get("force_color") and fields.get("force_gray"):
            raise CaffeError(f"{self._place}: force_color and force_gray exclude each other")
        self.color: bool | None = None
        if fields.get("force_color") or fields.get("force_gray"):
            self.color = bool(fields.get("force_color"))
        self.crop = self._crop_of(fields, crops)
        self._random_crop = setting.phase == "TRAIN" and self.crop is not None
        self.mirror = bool(fields.get("mirror"))
        self._scale = np.float32(fields.get("scale", 1))
        self.mean = self._mean_of(setting)

    def _crop_of(self, fields: Fields, crops: Sequence[tuple[str, str]]) -> tuple[int, int] | None:
        given = [(fields.get(down, 0), fields.get(across, 0)) for down, across in crops]
        given.append((fields.get("crop_size", 0),) * 2)
        sides = [pair for pair in given if any(pair)]
        if len(sides) > 1 or any(0 in pair for pair in sides):
            raise CaffeError(
                f"{self._place}: give crop_size, or height and width of the crop. "
                f"Received: {dict(fields)}"
            )
        return sides[0] if sides else None

    def __call__(self, image: np.ndarray, random: np.random.Generator, name: str) -> np.ndarray:
        """Transform an image.

        Args:
            image: uint8 or float32, `(channels, H, W)`.
            random: numbers for its choices.
            name: of the image, for messages.

        Returns:
            float32.

        Raises:
            CaffeError: it is smaller than the crop, or the mean is not of its shape.
        """
        return self.within(image, self.window(image, random, name), name)

    def window(self, image: np.ndarray, random: np.random.Generator, name: str) -> Window:
        """Choose what is taken of an image."""
        height, width = image.shape[1:]
        mirrored = self.mirror and bool(random.integers(2))
        if self.crop is None:
            return Window(0, 0, height, width, mirrored)
        if height < self.crop[0] or width < self.crop[1]:
            raise CaffeError(
                f"{self._place}: {name} is {height} x {width} (height, width), smaller than the "
                f"crop of {self.crop[0]} x {self.crop[1]}"
            )
        down, across = height - self.crop[0], width - self.crop[1]
        if self._random_crop:
            top, left = int(random.integers(down + 1)), int(random.integers(across + 1))
        else:
            top, left = down // 2, across // 2
        return Window(top, left, *self.crop, mirrored)

    def within(self, image: np.ndarray, window: Window, name: str) -> np.ndarray:
        """What a window shows of an image, less the mean at the same place, and scaled."""
        part = window.unmirrored(image)
        values = np.empty(part.shape, np.float32)
        if self.mean is None:
            values[:] = part
        else:
            np.subtract(part, self._mean_under(image, window, name), values)
        if self._scale != 1:
            values *= self._scale
        return values[:, :, ::-1] if window.mirrored else values

    def whole(self, image: np.ndarray, name: str) -> np.ndarray:
        """The whole image, less the mean, and scaled."""
        return self.within(image, Window(0, 0, *image.shape[1:]), name)

    def values_for(self, channels: int, name: str) -> np.ndarray:
        """The mean values, `(channels, 1, 1)` or one for all.

        Raises:
            CaffeError: they are for another number of channels.
        """
        assert self.mean is not None
        if len(self.mean) not in (1, channels):
            raise CaffeError(
                f"{self._place}: {len(self.mean)} mean_value for {channels} channels of {name}; "
                f"give 1 or {channels}"
            )
        return self.mean

    def _mean_under(self, image: np.ndarray, window: Window, name: str) -> np.ndarray:
        assert self.mean is not None
        if self.has_mean_values:
            return self.values_for(len(image), name)
        if self.mean.shape != image.shape:
            raise CaffeError(
                f"{self._place}: the mean of mean_file is {self.mean.shape} (channels, height, "
                f"width) and {name} is {image.shape}; make them of one shape, or give mean_value"
            )
        return window.unmirrored(self.mean)

    def _mean_of(self, setting: Setting) -> np.ndarray | None:
        """The mean, `(channels, H, W)`, or `(channels, 1, 1)` where it is of values."""
        fields = setting.message("transform_param")
        values = fields.get("mean_value", ())
        self.has_mean_values = bool(values)
        if "mean_file" not in fields:
            return np.array(values, np.float32).reshape(-1, 1, 1) if values else None
        if values:
            raise CaffeError(f"{self._place}: mean_file and mean_value exclude each other")
        path = setting.found(fields["mean_file"], "mean_file")
        mean = np.asarray(read_binaryproto(path), np.float32)
        if mean.ndim < 3 or mean.size != np.prod(mean.shape[-3:]):
            raise CaffeError(
                f"{self._place}: {path} is of shape {mean.shape}; a mean is (channels, height, "
                "width)"
            )
        return mean.reshape(mean.shape[-3:])
