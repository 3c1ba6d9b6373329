"""SSD's `resize_param`: the size of an image, and where its boxes are then.

Source: `src/caffe/util/im_transforms.cpp` of weiliu89/caffe, branch ssd.
"""

from __future__ import annotations

import numpy as np

from keras_fcn.caffe.definition import Fields
from keras_fcn.caffe.errors import CaffeError, UnsupportedLayerError
from keras_fcn.preprocessing.opencv_resizing import resize_as

__all__ = ["BoxResizing"]

_FIELDS = ("prob", "resize_mode", "height", "width", "interp_mode", "pad_mode", "pad_value")
_PADS = {"CONSTANT": "constant", "MIRRORED": "reflect", "REPEAT_NEAREST": "edge"}


class BoxResizing:
    """Resizes images and their boxes.

    WARP stretches an image to the size, FIT_SMALL_SIZE keeps its shape and covers the size,
    FIT_LARGE_SIZE_AND_PAD keeps its shape, stays within the size, and pads what is missing. An
    image has one of the `interp_mode`s, each as often. As in SSD, `prob` changes nothing.

    Raises:
        CaffeError: no size.
        UnsupportedLayerError: a field that is another layer's.
    """

    def __init__(self, fields: Fields, place: str) -> None:
        for name in fields:
            if name not in _FIELDS:
                raise UnsupportedLayerError(
                    f"{place}: resize_param has {name}, which is not computed here; take it away"
                )
        self._place = place
        self._mode = str(fields.get("resize_mode", "WARP"))
        self.size: tuple[int, int] = fields.get("height", 0), fields.get("width", 0)
        if min(self.size) < 1:
            raise CaffeError(f"{place}: resize_param needs height and width above 0")
        self._ways = [str(way) for way in fields.get("interp_mode", ())] or ["LINEAR"]
        self._pad = _PADS[str(fields.get("pad_mode", "CONSTANT"))]
        self._values = np.clip(np.rint(fields.get("pad_value", ()) or [0]), 0, 255)

    def image(self, image: np.ndarray, random: np.random.Generator, name: str) -> np.ndarray:
        """Resize an image, uint8, `(H, W, channels)`.

        Raises:
            CaffeError: `pad_value`s are for another number of channels, or a side becomes 0.
        """
        way = self._ways[int(random.integers(len(self._ways)))]
        size = self._resized(image.shape[:2])
        if min(size) < 1:
            raise CaffeError(
                f"{self._place}: {name} of {image.shape[:2]} (height, width) would be resized to "
                f"{size}"
            )
        found = resize_as(way, image, size)
        if self._mode != "FIT_LARGE_SIZE_AND_PAD":
            return found
        missing = [new - old for new, old in zip(self.size, size, strict=True)]
        around = [(one // 2, one - one // 2) for one in missing]
        if self._pad != "constant":
            around.append((0, 0))
            return np.asarray(np.pad(found, around, self._pad))  # type: ignore[call-overload]
        if len(self._values) not in (1, image.shape[2]):
            raise CaffeError(
                f"{self._place}: {len(self._values)} pad_value for {image.shape[2]} channels of "
                f"{name}; give 1 or {image.shape[2]}"
            )
        padded = np.empty((*self.size, image.shape[2]), np.uint8)
        padded[:] = self._values
        (top, _), (left, _) = around
        padded[top : top + size[0], left : left + size[1]] = found
        return padded

    def boxes(self, boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Where boxes of an image of `size` (height, width) are, in parts of the resized one."""
        if self._mode != "FIT_LARGE_SIZE_AND_PAD":
            return boxes
        height, width = size
        aspect, (down, across) = width / height, self.size
        shares = min(1, across / aspect / down), min(1, aspect * down / across)  # of the image
        share = np.array([shares[1], shares[0]] * 2, np.float32)
        return np.asarray((1 - share) / 2 + boxes * share)

    def _resized(self, size: tuple[int, ...]) -> tuple[int, int]:
        """The size of an image before anything is padded."""
        if self._mode == "WARP":
            return self.size
        down, across = self.size
        aspect, new = np.float32(size[1] / size[0]), np.float32(across / down)
        if aspect > new if self._mode == "FIT_LARGE_SIZE_AND_PAD" else aspect < new:
            return int(np.float32(across) / aspect), across
        return down, int(aspect * np.float32(down))
