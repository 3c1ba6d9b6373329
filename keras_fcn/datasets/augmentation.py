"""Random changes that keep an image and its mask in step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from keras_fcn.caffe.words import quoted
from keras_fcn.datasets.geometry import random_corner, warp
from keras_fcn.preprocessing.images import full_scale

__all__ = ["Augmentation"]

_LUMA = (0.299, 0.587, 0.114)


def _is_range(value: Any) -> bool:
    return np.shape(value) == (2,) and bool(0 < value[0] <= value[1])


_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "scale": (_is_range, "(lowest, highest), both above 0"),
    "flip": (lambda value: 0 <= value <= 1, "a probability"),
    "rotation": (lambda value: 0 <= value <= 180, "degrees, 0..180"),
    "brightness": (lambda value: 0 <= value <= 1, "a share of white, 0..1"),
    "contrast": (lambda value: 0 <= value < 1, "at least 0 and below 1"),
    "saturation": (lambda value: 0 <= value <= 1, "0..1"),
}


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Colour, then scale, rotation, flip and crop in one resampling.

    Images are interpolated linearly, masks take the nearest pixel. Where the result reaches beyond
    the image, the mask is `ignore_index` and the image is `fill`: the two never mix.

    Args:
        scale: (lowest, highest) factor on height and width; uniform in its logarithm.
        flip: probability of left and right changing places.
        rotation: degrees to either side, uniform, about the centre.
        brightness: what is added to all pixels, to either side, as a share of white.
        contrast: how far the factor on the distance from the image's mean departs from 1.
        saturation: how far the factor on the distance from grey departs from 1; for images of three
            channels.
        crop_size: (height, width) of the result, taken at a random place; None for the image's own
            size times the scale. `LabelledImages.to_tf` sets its own.
        fill: of the image beyond its border, one number or one a channel, as a share of white; None
            for the image's own mean. `to_tf` sets what the preprocessing makes 0: the mean.
        ignore_index: of the mask beyond its border; `to_tf` sets that of the data set.

    Raises:
        ValueError: an option out of its range.

    Example:
        ```python
        augmentation = Augmentation(rotation=10, brightness=0.1, crop_size=(360, 360))
        image, mask = augmentation(image, mask, rng=np.random.default_rng(0))
        ```
    """

    scale: tuple[float, float] = (0.5, 2.0)
    flip: float = 0.5
    rotation: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    crop_size: tuple[int, int] | None = None
    fill: tuple[float, ...] | None = None
    ignore_index: int = 255

    def __post_init__(self) -> None:
        for name, (holds, rule) in _RULES.items():
            if not holds(getattr(self, name)):
                raise ValueError(
                    f"{quoted(name)} must be {rule}. Received: {getattr(self, name)!r}"
                )

    @property
    def changes_colour(self) -> bool:
        """Whether it changes values, not only positions."""
        return bool(self.brightness or self.contrast or self.saturation)

    def __call__(
        self, image: np.ndarray, mask: np.ndarray, rng: np.random.Generator | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Changes one image and its mask.

        Args:
            image: `(H, W, channels)`, uint8 0..255 or floats 0..1.
            mask: `(H, W)`, integers.
            rng: where chance comes from; None for a new generator each time.

        Returns:
            Image and mask of the same dtypes.
        """
        rng = rng or np.random.default_rng()
        # Colour comes first: the fill stays what it is.
        return self._move(self._colour(image, rng), mask, rng)

    def _move(
        self, image: np.ndarray, mask: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        factor = math.exp(rng.uniform(*np.log(self.scale)))
        angle = math.radians(rng.uniform(-self.rotation, self.rotation))
        mirror = rng.random() < self.flip
        scaled = [max(round(length * factor), 1) for length in mask.shape]
        size = (scaled[0], scaled[1]) if self.crop_size is None else self.crop_size
        corner = random_corner(scaled, size, rng)

        cosine, sine = math.cos(angle), math.sin(angle)
        shrink = np.divide(mask.shape, scaled)
        turn = np.array([[cosine, sine], [-sine, cosine]]) * (1, -1 if mirror else 1)
        matrix = shrink[:, np.newaxis] * turn
        offset = np.divide(mask.shape, 2) + matrix @ (np.array(corner) - np.divide(scaled, 2))

        if self.fill is None:
            fill = image.mean(axis=(0, 1))
        else:
            fill = np.multiply(self.fill, full_scale(image))
        return (
            warp(image, size, matrix, offset, fill),
            warp(mask, size, matrix, offset, self.ignore_index, nearest=True),
        )

    def _colour(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        added, contrast, saturation = (
            rng.uniform(-reach, reach)
            for reach in (self.brightness, self.contrast, self.saturation)
        )
        if not self.changes_colour:
            return image
        white = full_scale(image)
        mix = np.eye(image.shape[-1])
        if image.shape[-1] == 3:
            mix = (1 + saturation) * mix - saturation * np.array(_LUMA)
        mix *= 1 + contrast
        added = added * white - contrast * image.mean(dtype=np.float64)
        if image.shape[-1] == 3 and image.dtype == np.uint8:
            matrix = np.column_stack([mix, [added] * 3]).ravel().tolist()
            return np.asarray(Image.fromarray(image).convert("RGB", matrix))
        values = np.clip(image @ mix.T.astype(np.float32) + np.float32(added), 0, white)
        return np.rint(values).astype(np.uint8) if image.dtype == np.uint8 else values
