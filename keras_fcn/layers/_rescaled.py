"""Base class of layers that resize feature maps."""

from __future__ import annotations

from typing import Any

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.layers._axes import channels_first_shape, channels_last_shape
from keras_fcn.layers._base import CaffeLayer

Shape = tuple[int | None, ...]


class Rescaled(CaffeLayer):
    """A layer whose output's shape is the converter's rule."""

    def _rule(self) -> Any:
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The converter's shape; unknown sizes stay None."""
        several = isinstance(input_shape[0], list | tuple)
        bottoms = tuple(map(channels_first_shape, input_shape if several else [input_shape]))
        try:
            return channels_last_shape(self._rule().top_shapes(bottoms, 1)[0])
        except NetworkError as error:
            raise ValueError(f"{error}. Received: input_shape={input_shape}") from error
