"""pycaffe's `Detector`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.layers.base import Array
from keras_fcn.pycaffe.images import load_image, resize_image
from keras_fcn.pycaffe.one_input import OneInputNet

Window = Sequence[int]
"""(top, left, bottom, right) in pixels, the latter two outside, as NumPy counts."""


class Detector(OneInputNet):
    """A `Net` of one input that classifies windows of images, as R-CNN does.

    Args:
        model_file: the prototxt.
        pretrained_file: the weights.
        mean: see `Transformer.set_mean`.
        input_scale: see `Transformer.set_input_scale`.
        raw_scale: see `Transformer.set_raw_scale`.
        channel_swap: see `Transformer.set_channel_swap`.
        context_pad: how many pixels of the net's input, on each side, show what is around the
            window; the mean where that is outside the image. None for the window alone.

    Raises:
        ValueError: the net has several inputs; or, with `context_pad`, one that is not square or
            too small for it.

    Source: `python/caffe/detector.py` of BVLC Caffe 1.0.
    """

    def __init__(
        self,
        model_file: str | Path,
        pretrained_file: str | Path,
        mean: npt.ArrayLike | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
        context_pad: int | None = None,
    ) -> None:
        super().__init__(
            "detector",
            model_file,
            pretrained_file,
            mean=mean,
            input_scale=input_scale,
            raw_scale=raw_scale,
            channel_swap=channel_swap,
        )
        (input_,) = self.inputs
        shape = self.blobs[input_].shape
        self.context_pad = context_pad or 0
        self.crop_dims = (*shape[2:], shape[1])
        height, width = shape[2:]
        if self.context_pad and (height != width or 2 * self.context_pad >= width):
            raise ValueError(
                "context_pad is for a square input of more than twice its pixels. "
                f"Received: context_pad={context_pad} for {height}x{width}"
            )
        # The mean as it is before images are prepared: what lies outside of them becomes 0.
        unknown = np.zeros(shape[1:], np.float32)
        self.crop_mean = self.transformer.deprocess(input_, unknown)

    def detect_windows(
        self, images_windows: Iterable[tuple[str | PathLike[str], Iterable[Window]]]
    ) -> list[dict[str, Any]]:
        """Classify windows of images, each warped to the net's size.

        Args:
            images_windows: (image file, its windows).

        Returns:
            For each window a dict: `window`, `prediction` (what the net's first output gives), and
            `filename`.

        Raises:
            ValueError: a window has no pixels of its image.
        """
        asked, crops = [], []
        (input_,) = self.inputs
        for filename, windows in images_windows:
            image = load_image(filename)
            for window in windows:
                asked.append((filename, window))
                crops.append(self.transformer.preprocess(input_, self.crop(image, window)))
        if not asked:
            return []
        fed: dict[str, Any] = {input_: np.stack(crops)}
        predictions = self.forward_all(**fed)[self.outputs[0]]
        return [
            {"window": window, "prediction": prediction, "filename": filename}
            for (filename, window), prediction in zip(asked, predictions, strict=True)
        ]

    def detect_selective_search(self, image_fnames: Sequence[str]) -> list[dict[str, Any]]:
        """Refuse: the proposals are those of a MATLAB program.

        Raises:
            NotImplementedError: always; it names what to do.
        """
        raise NotImplementedError(
            "detect_selective_search runs a MATLAB program; give the windows of any selective "
            "search to detect_windows"
        )

    def crop(self, im: Array, window: Window) -> Array:
        """The part of an image in a window, with what is around it where `context_pad` says so.

        Args:
            im: (H, W, channels).
            window: (top, left, bottom, right).

        Raises:
            ValueError: the window has no pixels of the image.
        """
        top, left, bottom, right = map(int, window)
        found = im[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        if not found.size:
            raise ValueError(
                f"a window (top, left, bottom, right) must hold pixels of its image, "
                f"{im.shape[0]}x{im.shape[1]}. Received: {tuple(window)}"
            )
        return self._with_context(im, window) if self.context_pad else found

    def _with_context(self, im: Array, window: Window) -> Array:
        """The window in the middle of the net's size, and what is around it."""
        size = self.crop_dims[0]
        scale = size / (size - 2.0 * self.context_pad)
        corner, opposite = np.reshape(np.asarray(window, float), (2, 2))
        half = (opposite - corner + 1) / 2
        center = corner + half
        first, last = np.round(center - scale * half), np.round(center + scale * half)
        zoom = size / (last - first + 1)
        pad = [round(x) for x in np.maximum(0, -first) * zoom]
        first, last = (np.clip(x, 0, im.shape[:2]).astype(int) for x in (first, last))
        sides = [round(x) for x in (last - first + 1) * zoom]
        sides = [min(side, size - space) for side, space in zip(sides, pad, strict=True)]
        shown = im[first[0] : last[0], first[1] : last[1]]
        result = np.array(self.crop_mean, np.float32)
        rows, columns = (slice(x, x + side) for x, side in zip(pad, sides, strict=True))
        result[rows, columns] = resize_image(shown, sides)
        return result
