"""`caffe.io.Transformer`: from images to what a blob takes, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.layers.base import Array
from keras_fcn.pycaffe.images import resize_image


class Transformer:
    """Preparation of images for input blobs, step by step as in pycaffe.

    In this order: resize to the blob's height and width, transpose, swap channels, times
    `raw_scale`, less the mean, times `input_scale`; steps that are not set are left out. Unlike
    pycaffe's it leaves the image itself as it is. See `keras_fcn.preprocessing.Preprocessing`
    for the same as one object that travels with a model.

    Args:
        inputs: input blob -> its shape (N, C, H, W), such as
            `{"data": net.blobs["data"].data.shape}`.

    Example:
        ```python
        transformer = keras_fcn.io.Transformer({"data": net.blobs["data"].data.shape})
        transformer.set_transpose("data", (2, 0, 1))
        transformer.set_mean("data", np.load("ilsvrc_2012_mean.npy").mean(1).mean(1))
        transformer.set_channel_swap("data", (2, 1, 0))
        transformer.set_raw_scale("data", 255)
        net.blobs["data"].data[...] = transformer.preprocess("data", image)
        ```

    Source: `Transformer` in `python/caffe/io.py` of BVLC Caffe 1.0.
    """

    def __init__(self, inputs: Mapping[str, Sequence[int]]) -> None:
        self.inputs = {name: tuple(map(int, shape)) for name, shape in inputs.items()}
        self.transpose: dict[str, Sequence[int]] = {}
        self.channel_swap: dict[str, Sequence[int]] = {}
        self.raw_scale: dict[str, float] = {}
        self.mean: dict[str, Array] = {}
        self.input_scale: dict[str, float] = {}

    def preprocess(self, in_: str, data: npt.ArrayLike) -> Array:
        """Prepare an image.

        Args:
            in_: the input blob.
            data: (H, W, channels).

        Returns:
            float32, (channels, height, width) where `set_transpose` says so.

        Raises:
            ValueError: no such input.
        """
        size = self._shape(in_)[2:]
        image = np.array(data, np.float32)
        if image.shape[:2] != size:
            image = resize_image(image, size)
        if in_ in self.transpose:
            image = image.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            image = image[list(self.channel_swap[in_])]
        if in_ in self.raw_scale:
            image = image * np.float32(self.raw_scale[in_])
        if in_ in self.mean:
            image = image - self.mean[in_]
        if in_ in self.input_scale:
            image = image * np.float32(self.input_scale[in_])
        return np.ascontiguousarray(image, np.float32)

    def deprocess(self, in_: str, data: npt.ArrayLike) -> Array:
        """The image that `preprocess` made `data` from, as it was after resizing.

        Args:
            in_: the input blob.
            data: (channels, height, width), or a batch of one of these.

        Raises:
            ValueError: no such input.
        """
        axes = len(self._shape(in_)) - 1
        image = np.array(data, np.float32)
        image = image.squeeze(0) if image.ndim > axes else image
        if in_ in self.input_scale:
            image = image / np.float32(self.input_scale[in_])
        if in_ in self.mean:
            image = image + self.mean[in_]
        if in_ in self.raw_scale:
            image = image / np.float32(self.raw_scale[in_])
        if in_ in self.channel_swap:
            image = image[np.argsort(self.channel_swap[in_])]
        if in_ in self.transpose:
            image = image.transpose(np.argsort(self.transpose[in_]))
        return np.asarray(image, np.float32)

    def set_transpose(self, in_: str, order: Sequence[int]) -> None:
        """Set the order of the axes, `(2, 0, 1)` for images.

        Raises:
            ValueError: no such input, or not an order of its axes.
        """
        axes = len(self._shape(in_)) - 1
        if sorted(order) != list(range(axes)):
            raise ValueError(f"an order of {axes} axes is needed. Received: {tuple(order)}")
        self.transpose[in_] = order

    def set_channel_swap(self, in_: str, order: Sequence[int]) -> None:
        """Set the order of the channels, `(2, 1, 0)` to make BGR of RGB.

        The channels are the first axis after `set_transpose`.

        Raises:
            ValueError: no such input, or not an order of its channels.
        """
        channels = self._shape(in_)[1]
        if sorted(order) != list(range(channels)):
            raise ValueError(f"an order of {channels} channels is needed. Received: {tuple(order)}")
        self.channel_swap[in_] = order

    def set_raw_scale(self, in_: str, scale: float) -> None:
        """Set the factor before the mean: 255 for images 0..1 and nets that take 0..255.

        Raises:
            ValueError: no such input.
        """
        self._shape(in_)
        self.raw_scale[in_] = scale

    def set_mean(self, in_: str, mean: npt.ArrayLike) -> None:
        """Set what is subtracted, in the units after `set_raw_scale` and the net's channel order.

        Args:
            in_: the input blob.
            mean: (channels,), or an image (channels, H, W) or (H, W), which is resized to the
                blob.

        Raises:
            ValueError: no such input, or a mean of another form.
        """
        channels, *size = self._shape(in_)[1:]
        array = np.array(mean, np.float32)
        if array.ndim == 2:
            array = array[np.newaxis]
        if array.ndim not in (1, 3) or len(array) != channels:
            raise ValueError(
                f"the mean of {in_!r} must be ({channels},), or ({channels}, height, width). "
                f"Received: shape {np.shape(mean)}"
            )
        if array.ndim == 1:
            array = array[:, np.newaxis, np.newaxis]
        elif list(array.shape[1:]) != size:
            array = resize_image(array.transpose(1, 2, 0), size).transpose(2, 0, 1)
        self.mean[in_] = array

    def set_input_scale(self, in_: str, scale: float) -> None:
        """Set the factor after the mean.

        Raises:
            ValueError: no such input.
        """
        self._shape(in_)
        self.input_scale[in_] = scale

    def _shape(self, in_: str) -> tuple[int, ...]:
        if in_ not in self.inputs:
            raise ValueError(f"the inputs are {', '.join(self.inputs)}. Received: {in_!r}")
        return self.inputs[in_]

    def __repr__(self) -> str:
        steps: dict[str, Any] = {
            "transpose": self.transpose,
            "channel_swap": self.channel_swap,
            "raw_scale": self.raw_scale,
            "mean": {name: mean.shape for name, mean in self.mean.items()},
            "input_scale": self.input_scale,
        }
        told = ", ".join(f"{name}={value}" for name, value in steps.items() if value)
        return f"<Transformer {self.inputs}{told and ': '}{told}>"
