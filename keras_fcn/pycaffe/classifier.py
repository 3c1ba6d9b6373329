"""pycaffe's `Classifier`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.layers.base import Array
from keras_fcn.preprocessing.resampling import center_crop
from keras_fcn.pycaffe.images import oversample, resize_image
from keras_fcn.pycaffe.one_input import OneInputNet


class Classifier(OneInputNet):
    """A `Net` of one input with a `Transformer`, which classifies images.

    Args:
        model_file: the prototxt.
        pretrained_file: the weights.
        image_dims: (height, width) that images are resized to before the crop; None: the net's.
        mean: see `Transformer.set_mean`.
        input_scale: see `Transformer.set_input_scale`.
        raw_scale: see `Transformer.set_raw_scale`.
        channel_swap: see `Transformer.set_channel_swap`.

    Raises:
        ValueError: the net has several inputs.

    Source: `python/caffe/classifier.py` of BVLC Caffe 1.0.
    """

    def __init__(
        self,
        model_file: str | Path,
        pretrained_file: str | Path,
        image_dims: Sequence[int] | None = None,
        mean: npt.ArrayLike | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
    ) -> None:
        super().__init__(
            "classifier",
            model_file,
            pretrained_file,
            mean=mean,
            input_scale=input_scale,
            raw_scale=raw_scale,
            channel_swap=channel_swap,
        )
        (input_,) = self.inputs
        shape = self.blobs[input_].shape
        self.crop_dims = shape[2:]
        self.image_dims = tuple(image_dims or self.crop_dims)

    def predict(self, inputs: Sequence[npt.ArrayLike], oversample: bool = True) -> Array:
        """Classify images.

        Args:
            inputs: images (H, W, channels) 0..1, as `keras_fcn.io.load_image` gives them.
            oversample: average the results of ten crops of each; else take the centre.

        Returns:
            (N, classes), what the net's first output gives for each image.
        """
        images = np.stack([resize_image(image, self.image_dims) for image in inputs])
        crops = _crops(images, self.crop_dims, oversample)
        (input_,) = self.inputs
        data = np.stack([self.transformer.preprocess(input_, crop) for crop in crops])
        fed: dict[str, Any] = {input_: data}
        found = self.forward_all(**fed)[self.outputs[0]]
        if oversample:
            found = found.reshape(len(images), 10, -1).mean(axis=1)
        return found


def _crops(images: Array, size: Sequence[int], ten: bool) -> Array:
    height, width = size
    return oversample(list(images), size) if ten else center_crop(images, (height, width))
