"""The steps of Caffe's `Transformer` from an image to a network's input, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from keras_fcn.caffe.words import either, quoted
from keras_fcn.preprocessing.images import full_scale, load_image, match_channels
from keras_fcn.preprocessing.means import (
    ILSVRC_2012_MEAN_PIXEL,
    crop_mean,
    mean_array,
    normalized_mean,
)
from keras_fcn.preprocessing.packing import pack, unpack
from keras_fcn.preprocessing.resampling import INTERPOLATIONS, center_crop, oversample, resize

__all__ = [
    "ILSVRC_2012_MEAN_PIXEL",
    "Preprocessing",
    "deprocess",
    "load_image",
    "oversample",
    "preprocess_input",
]

#: Floats above this are 0..255 by mistake; resampling in other libraries may pass 1 by a little.
_FLOAT_LIMIT = 2


def _is_size(value: Any) -> bool:
    return value is None or (np.shape(value) == (2,) and min(value) >= 1)


_Rule = tuple[Callable[[Any], bool], str]
_SIZE: _Rule = (_is_size, "(height, width) in pixels, or None")
_FACTOR: _Rule = (lambda value: np.isfinite(value) and value != 0, "finite and not 0")
_RULES: Mapping[str, _Rule] = {
    "size": _SIZE,
    "interpolation": (lambda name: name in INTERPOLATIONS, f"one of {list(INTERPOLATIONS)}"),
    "crop": _SIZE,
    "channels": (lambda count: count >= 1, "at least 1"),
    "channel_order": (lambda order: order in ("bgr", "rgb"), "'bgr' or 'rgb'"),
    "raw_scale": _FACTOR,
    "input_scale": _FACTOR,
}


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Preprocessing:
    """The steps between an RGB image and the values a Caffe net was trained on.

    In Caffe's order: resize, centre crop, channel swap, raw scale, mean, input scale. An image is
    `(..., H, W, channels)`, RGB. Its dtype says how it counts: integers hold 0..255 and are divided
    by 255 before `raw_scale`, floats hold 0..1, as `caffe.io.load_image` gives them, and are
    multiplied by `raw_scale` as they are. Grey images, `(H, W)` or `(..., H, W, 1)`, are repeated
    in three channels for a net that takes three.

    Args:
        size: (height, width) to resize to before the crop; None keeps the size.
        interpolation: how, see `keras_fcn.preprocessing.resampling.resize`.
        crop: (height, width) of the centre crop; None for no crop.
        channels: how many channels the net takes.
        channel_order: the order the net takes three channels in, `"bgr"` or `"rgb"`. With another
            number of channels the order is kept.
        raw_scale: full scale of the values before the mean. Pass 1 to leave floats as they are.
        mean: what is subtracted, in units of `raw_scale` and in the net's channel order: a number,
            one number a channel, or a mean image `(H, W, channels)`, which is cropped in the centre
            to the input; or a name: `"ilsvrc_2012_pixel"` (104.007, 116.669, 122.679 as BGR) or
            `"ilsvrc_2012"` (256 x 256), brought to the net's channel order; or None.
        input_scale: factor after the mean.

    Raises:
        ValueError: an option out of its range, or a mean that does not fit the channels.

    Example:
        ```python
        caffenet = Preprocessing(size=(256, 256), crop=(227, 227), mean="ilsvrc_2012")
        batch = caffenet(load_image("cat.jpg"))[np.newaxis]
        lenet = Preprocessing(channels=1, mean=None, input_scale=1 / 256)
        ```
    """

    size: tuple[int, int] | None = None
    interpolation: str = "bilinear"
    crop: tuple[int, int] | None = None
    channels: int = 3
    channel_order: str = "bgr"
    raw_scale: float = 255.0
    mean: Any = "ilsvrc_2012_pixel"
    input_scale: float = 1.0

    def __post_init__(self) -> None:
        for name, (holds, rule) in _RULES.items():
            if not holds(getattr(self, name)):
                raise ValueError(
                    f"{quoted(name)} must be {rule}. Received: {getattr(self, name)!r}"
                )
        for name in ("size", "crop"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, tuple(map(int, getattr(self, name))))
        object.__setattr__(self, "mean", normalized_mean(self.mean))
        if self.mean is not None:
            mean_array(self.mean, self.channels, self.channel_order)

    def __call__(self, image: ArrayLike) -> np.ndarray:
        """Prepares one image or a batch.

        Returns:
            float32, `(..., height, width, channels)`.

        Raises:
            ValueError: channels that the net does not take, integers outside 0..255, floats far
                outside 0..1, or an image larger than the mean image or smaller than the crop.
        """
        image = np.asarray(image)
        scale = self._scale(image)
        values = match_channels(image, self.channels)
        if self.size is not None:
            values = resize(values, self.size, self.interpolation)
        if self.crop is not None:
            values = center_crop(values, self.crop)
        mean = self.mean_at(values.shape[-3:-1])
        values = self._swap(values).astype(np.float32) * np.float32(scale)
        if mean is not None:
            values -= mean
        values *= np.float32(self.input_scale)
        return values

    def inverse(self, data: ArrayLike) -> np.ndarray:
        """The image that `__call__` made `data` from, as it was after resize and crop.

        Returns:
            float32 RGB, `(..., height, width, channels)`, 0..1 for an image; nothing is clipped.
        """
        values = np.asarray(data, np.float32)
        if values.ndim < 3 or values.shape[-1] != self.channels:
            raise ValueError(
                f"`data` must be (..., height, width, {self.channels}). Received: {values.shape}"
            )
        values = values / np.float32(self.input_scale)
        mean = self.mean_at(values.shape[-3:-1])
        if mean is not None:
            values += mean
        return self._swap(values / np.float32(self.raw_scale))

    def sizes(self, image: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Sizes (height, width) of an image after the resize, and after the crop.

        Args:
            image: (height, width) before.
        """
        whole = self.size or image
        return whole, self.crop or whole

    def mean_at(self, size: tuple[int, ...]) -> np.ndarray | None:
        """The mean that is subtracted from an input of (height, width), in the net's channel order.

        Returns:
            float32, `(channels,)`, `(1,)`, or the centre `(height, width, channels)` of the mean
            image; None where there is no mean.
        """
        if self.mean is None:
            return None
        return crop_mean(mean_array(self.mean, self.channels, self.channel_order), size)

    def to_config(self) -> dict[str, Any]:
        """The options as values that JSON knows; a mean image as its bytes, see `packing`."""
        return {name: _plain(value) for name, value in self._options().items()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Preprocessing:
        """The inverse of `to_config`; a mean image may also be nested lists."""
        mean = config.get("mean")
        return cls(**{**config, "mean": unpack(mean)} if isinstance(mean, Mapping) else config)

    def for_any_size(self) -> Preprocessing:
        """The same for images at their own size: no resizing, no crop.

        A mean image, which covers images of its own size only, becomes its mean pixel.
        """
        mean = self.mean
        if isinstance(mean, np.ndarray):
            mean = mean.reshape(-1, mean.shape[-1]).mean(axis=0)
        elif mean == "ilsvrc_2012":
            mean = "ilsvrc_2012_pixel"
        return dataclasses.replace(self, size=None, crop=None, mean=mean)

    def _options(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Preprocessing):
            return NotImplemented
        own, its = self._options(), other._options()
        means = own.pop("mean"), its.pop("mean")
        return own == its and _same_mean(*means)

    def _scale(self, image: np.ndarray) -> float:
        white = full_scale(image)
        if white == 1 and self.raw_scale > 1 and image.size and image.max() > _FLOAT_LIMIT:
            raise ValueError(
                f"Float images hold 0..1: divide by 255, cast to uint8, or pass "
                f"{either('raw_scale=1', '--raw-scale 1')} to keep the values. "
                f"Received: dtype {image.dtype}, up to {image.max()}"
            )
        return self.raw_scale / white

    def _swap(self, values: np.ndarray) -> np.ndarray:
        return values[..., ::-1] if self.channels == 3 and self.channel_order == "bgr" else values


def preprocess_input(image: ArrayLike, **options: Any) -> np.ndarray:
    """Prepares RGB images for a Caffe net: `Preprocessing(**options)(image)`.

    By default uint8 0..255, or floats 0..1, become BGR 0..255 less the ILSVRC 2012 mean pixel.

    Args:
        image: `(..., H, W, channels)` or `(H, W)`.
        **options: those of `Preprocessing`.
    """
    return Preprocessing(**options)(image)


def deprocess(data: ArrayLike, **options: Any) -> np.ndarray:
    """The RGB image, 0..1, that `preprocess_input` with the same options made `data` from."""
    return Preprocessing(**options).inverse(data)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return pack(value)
    return np.asarray(value).tolist() if isinstance(value, tuple | np.generic) else value


def _same_mean(mean: Any, other: Any) -> bool:
    if isinstance(mean, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(mean, other)
    return type(mean) is type(other) and bool(mean == other)
