"""One example of a pipeline: read, augmented, cropped, prepared."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_fcn.caffe.words import quoted
from keras_fcn.datasets.augmentation import Augmentation
from keras_fcn.datasets.balance import Balance, corner_on_class
from keras_fcn.datasets.frames import Frame
from keras_fcn.datasets.geometry import random_corner, resized, resized_mask, window
from keras_fcn.datasets.options import Options
from keras_fcn.datasets.ready import fit_ready
from keras_fcn.datasets.sources import PAIR_ERRORS
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.images import fit_channels, full_scale
from keras_fcn.preprocessing.means import mean_array

if TYPE_CHECKING:
    from keras_fcn.datasets.labelled import LabelledImages

__all__ = ["Example"]


class Example:
    """Reads and prepares the pair at a place in the sequence of epochs."""

    def __init__(
        self,
        dataset: LabelledImages,
        preprocessing: Preprocessing,
        ready: Preprocessing,
        frame: Frame,
        options: Options,
    ) -> None:
        self._dataset = dataset
        self._options = options
        self._frame = frame
        self._size = options.size or preprocessing.size
        crop = options.crop_size or preprocessing.crop
        # A margin shows what is around the crop, a class may be anywhere: crops come last.
        self._crops_last = bool(frame.margin) or options.balance_classes
        if crop is None and isinstance(options.augmentation, Augmentation) and self._crops_last:
            crop = options.augmentation.crop_size
        crop = frame.only or crop
        self._crop_size = None if crop is None else frame.around((int(crop[0]), int(crop[1])))
        self.channels = preprocessing.channels
        self._pictures = _Way(preprocessing, self._crop_size)
        self._ready = _Way(ready, self._crop_size)
        self._augment, self.reproducible = self._augmentation(options.augmentation)
        self._order = functools.lru_cache(maxsize=2)(self._shuffled)
        self._balance = Balance(dataset, options.on_error) if options.balance_classes else None
        self._whole_size: tuple[int, ...] | None = None

    def __call__(self, position: int | np.ndarray) -> tuple[np.ndarray, np.ndarray, np.bool_]:
        epoch, place = divmod(int(position), len(self._dataset))
        rng = np.random.default_rng([self._options.seed, epoch, place])
        if self._balance is None:
            chosen, index = None, int(self._order(epoch)[place])
        else:
            chosen, index = self._balance(rng)
        try:
            image, mask = self._prepared(index, chosen, rng)
        except PAIR_ERRORS as error:
            self._dataset.reject(index, error, self._options.on_error)
            image, mask = (
                np.zeros([length or 1 for length in size], np.int32)
                for size in (self.image_size, self.truth_size)
            )
            return np.zeros((*image.shape, self.channels), np.float32), mask, np.False_
        return image, mask, np.True_

    @property
    def truth_size(self) -> tuple[int | None, ...]:
        """The shape of what is true of an image: of its mask, or none of a label."""
        return self.mask_size if self._dataset.of_pixels else ()

    @property
    def mask_size(self) -> tuple[int | None, int | None]:
        """(height, width) of all masks; None where they differ."""
        if self._crop_size is None:
            return None, None
        return self._frame.fit(self._frame.within(self._crop_size))

    @property
    def image_size(self) -> tuple[int | None, int | None]:
        """(height, width) of all images; None where they differ."""
        height, width = self.mask_size
        if height is None or width is None:
            return None, None
        return self._frame.around((height, width))

    def _shuffled(self, epoch: int) -> np.ndarray:
        count = len(self._dataset)
        if not self._options.shuffle:
            return np.arange(count)
        # `count` is no place: the order and the examples draw from different generators.
        return np.random.default_rng([self._options.seed, epoch, count]).permutation(count)

    def _prepared(
        self, index: int, chosen: int | None, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        image, truth = self._dataset.read(index)
        # A label goes through all that is done to images as a mask that says it everywhere.
        mask = truth if self._dataset.of_pixels else np.full(image.shape[:2], truth, np.int32)
        ready = self._dataset.pairs[index].ready
        way = self._ready if ready else self._pictures
        image = (fit_ready if ready else fit_channels)(image, self.channels)
        if self._size is not None:
            image = resized(image, self._size, self._pictures.preprocessing.interpolation)
            mask = resized_mask(mask, self._size)
        image, mask = self._augment(image, mask, rng, way)
        if image.shape[:2] != mask.shape:
            raise ValueError(
                f"`augmentation` must keep image and mask of one size. "
                f"Received: image {image.shape}, mask {mask.shape}"
            )
        ignore = self._dataset.ignore_index
        image, mask = self._frame.add_margin(image, mask, ignore, self._crop_size)
        if self._crop_size is not None and mask.shape != self._crop_size:
            image, mask = self._cropped(image, mask, self._crop_size, chosen, rng, way)
        image, mask = way.preprocessing(image), mask.astype(np.int32)
        image, mask = self._frame.fitted(image, mask, ignore)
        if self._dataset.of_pixels:
            return image, mask
        self._require_one_size(image)
        return image, np.array(truth, np.int32)

    def _require_one_size(self, image: np.ndarray) -> None:
        """Refuse to fill up images in a batch, whose label is of the whole of them."""
        size = self._whole_size = self._whole_size or image.shape[:2]
        if image.shape[:2] != size and self._options.batch_size > 1:
            raise ValueError(
                "images with one label each are of one size in a batch; give "
                f"{quoted('size')}. Received: {image.shape[:2]} and {size}"
            )

    def _augmentation(self, given: Any) -> tuple[Callable[..., Any], bool]:
        """The augmentation as a function of image, mask and rng; whether it is a pure one."""
        if given is None:
            return lambda image, mask, rng, way: (image, mask), True
        if isinstance(given, Augmentation):
            return functools.partial(self._augmented, given), True
        if _takes_rng(given):
            return lambda image, mask, rng, way: given(image, mask, rng=rng), True
        return lambda image, mask, rng, way: given(image, mask), False

    def _augmented(
        self,
        given: Augmentation,
        image: np.ndarray,
        mask: np.ndarray,
        rng: np.random.Generator,
        way: _Way,
    ) -> tuple[np.ndarray, np.ndarray]:
        if way is self._ready and given.changes_colour:
            raise ValueError(
                "brightness, contrast and saturation are of pictures; values that are fed as they "
                "are have no white"
            )
        own = dataclasses.replace(
            given,
            crop_size=None if self._crops_last else self._crop_size or given.crop_size,
            fill=way.fill if given.fill is None else given.fill,
            ignore_index=self._dataset.ignore_index,
        )
        return own(image, mask, rng=rng)

    def _cropped(
        self,
        image: np.ndarray,
        mask: np.ndarray,
        size: tuple[int, int],
        chosen: int | None,
        rng: np.random.Generator,
        way: _Way,
    ) -> tuple[np.ndarray, np.ndarray]:
        if chosen is not None:
            corner = corner_on_class(mask, chosen, size, self._frame.margin, rng)
        elif self._options.shuffle:
            corner = random_corner(mask.shape, size, rng)
        else:
            corner = tuple((have - want) // 2 for have, want in zip(mask.shape, size, strict=True))
        fill = np.multiply(way.fill, full_scale(image))
        fill = np.rint(fill) if image.dtype == np.uint8 else fill
        return (
            window(image, corner, size, fill),
            window(mask, corner, size, np.asarray(self._dataset.ignore_index)),
        )


class _Way:
    """Preparation of an image's values; size and crop come before, together with its mask.

    Attributes:
        preprocessing: what is done.
        fill: the colour that it makes 0, for what lies beyond the image.
    """

    def __init__(self, preprocessing: Preprocessing, crop_size: tuple[int, int] | None) -> None:
        preprocessing = dataclasses.replace(preprocessing, size=None, crop=None)
        mean_pixel = _with_mean_pixel(preprocessing)
        nothing = np.zeros((1, 1, preprocessing.channels), np.float32)
        self.fill = tuple(mean_pixel.inverse(nothing)[0, 0].tolist())
        self.preprocessing = preprocessing if _covers(preprocessing, crop_size) else mean_pixel


def _mean(preprocessing: Preprocessing) -> np.ndarray:
    mean = (0.0,) if preprocessing.mean is None else preprocessing.mean
    return mean_array(mean, preprocessing.channels, preprocessing.channel_order)


def _with_mean_pixel(preprocessing: Preprocessing) -> Preprocessing:
    """The same with the average of a mean image, which covers any size."""
    mean = _mean(preprocessing)
    return dataclasses.replace(preprocessing, mean=mean.reshape(-1, mean.shape[-1]).mean(axis=0))


def _covers(preprocessing: Preprocessing, size: tuple[int, int] | None) -> bool:
    """Whether the mean is an image that images of this size fit under, or no image at all."""
    shape = _mean(preprocessing).shape
    return len(shape) == 1 or (size is not None and size[0] <= shape[0] and size[1] <= shape[1])


def _takes_rng(function: Callable[..., Any]) -> bool:
    try:
        return "rng" in inspect.signature(function).parameters
    except ValueError:  # built-in functions may not tell
        return False
