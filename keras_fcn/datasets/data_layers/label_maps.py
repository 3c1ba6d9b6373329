"""DenseImageData and ImageSegData: images with a label map each, from a list."""

from __future__ import annotations

import abc

import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.datasets.caffe_files import parted
from keras_fcn.datasets.data_layers.lists import FIELDS, ListedImages, nearest
from keras_fcn.datasets.data_layers.records import Record, RecordSource
from keras_fcn.datasets.data_layers.source import Setting, reads
from keras_fcn.datasets.data_layers.transforming import Transformer, Window

_IGNORED = 255


class _LabelMapSource(RecordSource):
    """Pairs in the order of the list; crop and mirror are the same for both."""

    def __init__(self, setting: Setting, message: str, fields: str, transform: Transformer) -> None:
        own = setting.own(message, f"{FIELDS} {fields}")
        super().__init__(
            setting,
            setting.batch_size(message),
            shuffle=own.get("shuffle", False),
            rand_skip=own.get("rand_skip", 0),
        )
        self._transform = transform
        self._images = ListedImages.of(setting, own)

    @property
    def what(self) -> str:
        return str(self._images.path)

    def __len__(self) -> int:
        return len(self._images.lines)

    def record(self, index: int, number: int) -> Record:
        line = self._images.lines[index]
        return Record(line, self._arrays(line, number))

    @abc.abstractmethod
    def _arrays(self, line: str, number: int) -> tuple[np.ndarray, ...]: ...

    def _pair(self, line: str) -> tuple[str, str]:
        image, labels = parted(line, self._images.place)
        if not image:
            raise CaffeError(
                f"{self.setting.place}: a line of {self._images.path} is an image and its label "
                f"map. Received: {line!r}"
            )
        return image, labels

    def _require_one_size(self, line: str, image: np.ndarray, labels: np.ndarray) -> None:
        if image.shape[1:] != labels.shape[1:]:
            raise CaffeError(
                f"{self.setting.place}: {line!r} is an image of {image.shape[1:]} with a label "
                f"map of {labels.shape[1:]} (height, width); they must be of one size"
            )


@reads("DenseImageData")
class DenseImageSource(_LabelMapSource):
    """SegNet's and ENet's layer; label maps are resized without mixing labels.

    Source: `src/caffe/layers/dense_image_data_layer.cpp` of alexgkendall/caffe-segnet, and of
    TimoSaemann/ENet for `label_divide_factor`, and crop and mirror of its own, which are random
    in TEST too. SegNet itself refuses the crop and mirror of `transform_param`.
    """

    def __init__(self, setting: Setting) -> None:
        own = setting.message("dense_image_data_param")
        fields = "label_divide_factor mirror crop_height crop_width"
        super().__init__(setting, "dense_image_data_param", fields, Transformer(setting))
        self._factor = max(own.get("label_divide_factor", 1), 1)
        if self._factor > 1 and self._images.size is None:
            raise CaffeError(
                f"{setting.place}: label_divide_factor divides new_height and new_width, which "
                "are not given"
            )
        self._mirror = own.get("mirror", False)
        self._crop = own.get("crop_height", 0), own.get("crop_width", 0)
        if (self._crop[0] == 0) != (self._crop[1] == 0):
            raise CaffeError(f"{setting.place}: crop_height and crop_width are given together")
        self._begin()

    def _arrays(self, line: str, number: int) -> tuple[np.ndarray, ...]:
        names = self._pair(line)
        image, labels = self._images.image(names[0]), self._images.labels(names[1])
        if self._images.size is not None:
            height, width = self._images.size
            labels = nearest(labels, (height // self._factor, width // self._factor))
        random = self._choices(number)
        own = self._own_window(image, random, line)
        if self._factor == 1 or self._crop[0]:
            self._require_one_size(line, image, labels)
        image, labels = own.of(image), own.of(labels)
        window = self._transform.window(image, random, line)
        return self._transform.within(image, window, line), window.of(labels)

    def _own_window(self, image: np.ndarray, random: np.random.Generator, name: str) -> Window:
        """ENet's mirror and crop, which come before those of `transform_param`."""
        height, width = image.shape[1:]
        mirrored = self._mirror and bool(random.integers(2))
        if not self._crop[0]:
            return Window(0, 0, height, width, mirrored)
        down, across = height - self._crop[0], width - self._crop[1]
        if min(down, across) < 0:
            raise CaffeError(
                f"{self.setting.place}: {name!r} is {height} x {width} (height, width), smaller "
                f"than the crop of {self._crop[0]} x {self._crop[1]}"
            )
        top, left = int(random.integers(down + 1)), int(random.integers(across + 1))
        return Window(top, left, *self._crop, mirrored)


@reads("ImageSegData")
class ImageSegSource(_LabelMapSource):
    """DeepLab's layer, and PSPNet's; images smaller than the crop are padded with the mean.

    The padding is at the bottom and at the right, or, where the crop is given by `crop_h` and
    `crop_w`, on all sides, as in PSPNet. Padded labels are `ignore_label`. A third top has height
    and width of each image, not more than those of the top.

    Source: `src/caffe/layers/image_seg_data_layer.cpp` and `data_transformer.cpp` of
    xmyqsh/deeplab-v2 and hszhao/PSPNet.
    """

    def __init__(self, setting: Setting) -> None:
        crops = [("crop_height", "crop_width"), ("crop_h", "crop_w")]
        transformer = Transformer(setting, crops)
        super().__init__(setting, "image_data_param", "label_type ignore_label", transformer)
        own, transform = setting.message("image_data_param"), setting.message("transform_param")
        if "mean_file" in transform:
            raise CaffeError(f"{setting.place}: ImageSegData takes no mean_file; give mean_value")
        self._kind = str(own.get("label_type", "PIXEL"))
        self._ignored = own.get("ignore_label", _IGNORED)
        self._both_sides = "crop_h" in transform
        self._begin()

    def _arrays(self, line: str, number: int) -> tuple[np.ndarray, ...]:
        image, labels = self._image_and_labels(line)
        self._require_one_size(line, image, labels)
        height, width = image.shape[1:]
        values, labels = self._padded(self._transform.whole(image, line), labels)
        window = self._transform.window(values, self._choices(number), line)
        sizes = [[[min(window.height, height), min(window.width, width)]]]
        arrays = window.of(values), window.of(labels), np.array(sizes, np.float32)
        return arrays[: len(self.tops)]

    def _image_and_labels(self, line: str) -> tuple[np.ndarray, np.ndarray]:
        if self._kind == "NONE":
            image = self._images.image(line.split()[0])
            return image, np.full((1, *image.shape[1:]), self._ignored, np.float32)
        first, second = self._pair(line)
        image = self._images.image(first)
        if self._kind == "IMAGE":
            if not second.lstrip("-").isdecimal():
                raise CaffeError(
                    f"{self.setting.place}: with label_type IMAGE a line of {self._images.path} is "
                    f"an image and its class, a whole number. Received: {line!r}"
                )
            return image, np.full((1, *image.shape[1:]), int(second), np.float32)
        return image, self._resized(self._images.labels(second))

    def _resized(self, labels: np.ndarray) -> np.ndarray:
        size = self._images.size
        if size is None or labels.shape[1:] == size:
            return labels
        raise CaffeError(
            f"{self.setting.place}: new_height and new_width would mix the labels of label maps, "
            "which DeepLab resizes as pictures; resize images and label maps beforehand"
        )

    def _padded(self, values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mean, which is zero now, and ignored labels around what is smaller than the crop."""
        crop = self._transform.crop or values.shape[1:]
        missing = [max(0, want - have) for want, have in zip(crop, values.shape[1:], strict=True)]
        if not any(missing):
            return values, labels
        before = [pixels // 2 if self._both_sides else 0 for pixels in missing]
        sides = [(a, pixels - a) for a, pixels in zip(before, missing, strict=True)]
        return (
            np.pad(values, [(0, 0), *sides]),
            np.pad(labels, [(0, 0), *sides], constant_values=self._ignored),
        )
