"""WindowData: windows in images, those without an object first, then those with one.

Source: `src/caffe/layers/window_data_layer.cpp` of BVLC Caffe 1.0.
"""

from __future__ import annotations

import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.datasets.data_layers.lists import ListedImages
from keras_fcn.datasets.data_layers.records import Record, RecordSource
from keras_fcn.datasets.data_layers.source import Setting, reads
from keras_fcn.datasets.data_layers.transforming import Transformer
from keras_fcn.datasets.data_layers.windows import Box, along, read_boxes
from keras_fcn.preprocessing.fixed_point import resize_8bit

_F = np.float32
_FIELDS = (
    "source batch_size scale fg_threshold bg_threshold fg_fraction context_pad crop_mode "
    "cache_images root_folder"
)


@reads("WindowData")
class WindowSource(RecordSource):
    """Windows drawn at random; `fg_fraction` of a batch have an object, and come last."""

    def __init__(self, setting: Setting) -> None:
        own = setting.own("window_data_param", _FIELDS)
        super().__init__(setting, setting.batch_size("window_data_param"))
        self._transform = Transformer(setting)
        if setting.message("transform_param").get("scale", 1) != 1:
            raise CaffeError(
                f"{setting.place}: Caffe's WindowData passes over the scale of transform_param; "
                "give it in window_data_param"
            )
        if self._transform.crop is None or len(self.tops) != 2:
            raise CaffeError(
                f"{setting.place}: WindowData needs a crop_size in transform_param, and two tops"
            )
        self._crop = self._transform.crop[0]
        self._scale, self._pad = _F(own.get("scale", 1)), own.get("context_pad", 0)
        self._square = own.get("crop_mode", "warp") == "square"
        if self._crop <= 2 * self._pad:
            raise CaffeError(
                f"{setting.place}: the context_pad {self._pad} must be less than half the "
                f"crop_size {self._crop}"
            )
        self._path = setting.found(own.get("source", ""), "window file")
        self._images = ListedImages(setting, self._path, (), own.get("root_folder", ""), True, None)
        limits = own.get("fg_threshold", 0.5), own.get("bg_threshold", 0.5)
        self._windows = self._parted(read_boxes(self._path), *limits)
        objects = int(_F(self.batch_size) * _F(own.get("fg_fraction", 0.25)))
        self._wanted = self.batch_size - objects, objects
        for wanted, boxes, what in zip(
            self._wanted, self._windows, ("without", "with"), strict=True
        ):
            if wanted and not boxes:
                raise CaffeError(
                    f"{setting.place}: {self._path} has no window {what} an object, and a batch "
                    f"takes {wanted}"
                )
        self._begin()

    @property
    def what(self) -> str:
        return str(self._path)

    def __len__(self) -> int:
        return sum(map(len, self._windows))

    def record(self, index: int, number: int) -> Record:
        """Read a window; it is drawn, whatever the index."""
        random = self._choices(number)
        is_object = number % self.batch_size >= self._wanted[0]
        box = self._windows[is_object][int(random.integers(len(self._windows[is_object])))]
        mirrored = self._transform.mirror and bool(random.integers(2))
        values = self._values(self._images.image(box.image), box, mirrored)
        return Record(str(box), (values, np.array(box.label if is_object else 0, _F)))

    def _parted(
        self, boxes: list[Box], object_from: float, background_below: float
    ) -> tuple[list[Box], list[Box]]:
        """The windows without and with an object; some may be neither."""
        objects = [box for box in boxes if _F(box.overlap) >= _F(object_from)]
        others = [box for box in boxes if _F(box.overlap) < _F(object_from)]
        for box in objects:
            if box.label < 1:
                raise CaffeError(
                    f"{self.setting.place}: {self._path}: {box} has an object, whose label must "
                    f"be 1 or more. Received: {box.label}"
                )
        return [box for box in others if _F(box.overlap) < _F(background_below)], objects

    def _values(self, image: np.ndarray, box: Box, mirrored: bool) -> np.ndarray:
        """The window, resized, less the mean where it lies in the crop; zero around it."""
        taken, size, start = self._placed(box, image.shape[1:], mirrored)
        pixels = image[:, taken[0], taken[1]].transpose(1, 2, 0)
        part = resize_8bit(pixels, size).transpose(2, 0, 1)
        rows, columns = (slice(a, a + b) for a, b in zip(start, size, strict=True))
        values = np.zeros((len(image), self._crop, self._crop), _F)
        inside = values[:, rows, columns]
        inside[:] = part[:, :, ::-1] if mirrored else part
        inside -= self._mean(len(image), box)[:, rows, columns]
        inside *= self._scale
        return values

    def _placed(
        self, box: Box, size: tuple[int, ...], mirrored: bool
    ) -> tuple[tuple[slice, slice], tuple[int, int], tuple[int, int]]:
        """What is taken of the image, its size in the crop, and where it begins there."""
        edges = (box.top, box.bottom), (box.left, box.right)
        crop = self._crop
        if not (self._pad or self._square):
            if any(not 0 <= a <= b < n for (a, b), n in zip(edges, size, strict=True)):
                raise self._outside(box, size)
            rows, columns = (slice(a, b + 1) for a, b in edges)
            return (rows, columns), (crop, crop), (0, 0)
        halves = [_F((b - a + 1) / 2) for a, b in edges]
        centres = [_F(a) + half for (a, _), half in zip(edges, halves, strict=True)]
        if self._square:
            halves = [max(halves)] * 2
        grown = _F(crop) / _F(crop - 2 * self._pad)
        try:
            down = along(centres[0], halves[0] * grown, size[0], crop, False)
            across = along(centres[1], halves[1] * grown, size[1], crop, mirrored)
        except ValueError as error:
            raise self._outside(box, size) from error
        return (down[0], across[0]), (down[1], across[1]), (down[2], across[2])

    def _outside(self, box: Box, size: tuple[int, ...]) -> CaffeError:
        return CaffeError(
            f"{self.setting.place}: {box} does not lie in its image, which is {size[0]} x "
            f"{size[1]} (height, width)"
        )

    def _mean(self, channels: int, box: Box) -> np.ndarray:
        """The mean as it lies under the crop."""
        mean, crop = self._transform.mean, self._crop
        if mean is None:
            return np.zeros((channels, crop, crop), _F)
        if self._transform.has_mean_values:
            return np.broadcast_to(
                self._transform.values_for(channels, str(box)), (channels, crop, crop)
            )
        start = (mean.shape[2] - crop) // 2  # on both axes, as in Caffe
        under = mean[:, max(start, 0) :, max(start, 0) :][:, :crop, :crop]
        if under.shape != (channels, crop, crop):
            raise CaffeError(
                f"{self.setting.place}: the mean of mean_file is {mean.shape} (channels, height, "
                f"width), which does not cover a crop of {crop} x {crop}"
            )
        return under
