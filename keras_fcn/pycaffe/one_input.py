"""A net of one input, with what prepares images for it: `Classifier` and `Detector` are such."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keras_fcn.pycaffe.modes import TEST
from keras_fcn.pycaffe.net import Net
from keras_fcn.pycaffe.transformer import Transformer


class OneInputNet(Net):
    """A `Net` in the phase TEST, and a transformer of images (H, W, channels).

    Args:
        kind: what it is, for messages.
        model_file: the prototxt.
        pretrained_file: the weights.
        **settings: `mean`, `input_scale`, `raw_scale` and `channel_swap`, what the transformer's
            methods `set_...` are given; None for none.

    Attributes:
        transformer: for the input.

    Raises:
        ValueError: the net has several inputs.
    """

    def __init__(
        self, kind: str, model_file: str | Path, pretrained_file: str | Path, **settings: Any
    ) -> None:
        super().__init__(model_file, pretrained_file, TEST)
        if len(self.inputs) != 1:
            raise ValueError(f"a {kind} has one input. Received: inputs {self.inputs}")
        (input_,) = self.inputs
        self.transformer = Transformer({input_: self.blobs[input_].shape})
        self.transformer.set_transpose(input_, (2, 0, 1))
        for name, value in settings.items():
            if value is not None:
                getattr(self.transformer, f"set_{name}")(input_, value)
