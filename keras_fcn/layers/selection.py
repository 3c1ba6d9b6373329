"""Caffe's layers that pick by index: BatchReindex, Filter, Embed.

Their inputs are not cast under mixed precision: half precision counts exactly to
2048 only, and may make a small number 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._base import CaffeLayer
from keras_fcn.layers._places import places_of

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="keras_fcn")
class BatchReindex(CaffeLayer):
    """The images of a batch in another order; some may be left out, or come again.

    Source: Caffe's `batch_reindex_layer.cpp`.

    Args:
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        [(N, ...), (M,)]: a batch, and the indices of the images to take, as floats.

    Output shape:
        (M, ...).
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})

    def call(self, inputs: Sequence[Any]) -> Any:
        """Pick images."""
        batch, indices = inputs
        return ops.take(batch, ops.cast(indices, "int32"), axis=0)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        """As many images as indices."""
        batch, indices = input_shape
        return (indices[0], *batch[1:])

    def compute_output_spec(self, inputs: Sequence[keras.KerasTensor]) -> keras.KerasTensor:
        """Dtype of the outputs: the batch's."""
        shape = self.compute_output_shape([x.shape for x in inputs])
        return keras.KerasTensor(shape, dtype=inputs[0].dtype)


@keras.saving.register_keras_serializable(package="keras_fcn")
class Filter(CaffeLayer):
    """Keeps the images of each batch for which the last input is not 0.

    Source: Caffe's `filter_layer.cpp`.

    Args:
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        A list of batches (N, ...), and last one number for each image, (N,) or
        (N, 1, ..., 1).

    Output shape:
        A list: each batch's shape, with a batch size that is known when the model runs.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})

    def call(self, inputs: Sequence[Any]) -> list[Any]:
        """Keep some images."""
        *batches, selector = inputs
        (kept,) = places_of(ops.reshape(selector, (-1,)) != 0)
        return [ops.take(batch, kept, axis=0) for batch in batches]

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> list[Shape]:
        """A shape for each batch."""
        return [(None, *shape[1:]) for shape in input_shape[:-1]]

    def compute_output_spec(self, inputs: Sequence[keras.KerasTensor]) -> list[keras.KerasTensor]:
        """Each of its batch's type."""
        shapes = self.compute_output_shape([x.shape for x in inputs])
        return [
            keras.KerasTensor(shape, dtype=x.dtype)
            for shape, x in zip(shapes, inputs[:-1], strict=True)
        ]


@keras.saving.register_keras_serializable(package="keras_fcn")
class Embed(CaffeLayer):
    """Looks up each number of the input, an index as a float, in a learned table.

    The rows become a new last axis of Caffe's, next to last here from two axes of
    indices on. Unlike Keras' Embedding it can add a bias.

    Source: Caffe's `embed_layer.cpp`.

    Args:
        input_dim: rows of the table.
        output_dim: columns of the table.
        use_bias: whether a bias is added.
        embeddings_initializer: of the table, (input_dim, output_dim).
        bias_initializer: of the bias, (output_dim,).
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, ..., C), any rank.

    Output shape:
        (N, ..., output_dim, C); (N, output_dim) for indices of shape (N,).
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        use_bias: bool = True,
        embeddings_initializer: Any = "uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.input_dim = input_dim
        self.output_dim = output_dim
        self.use_bias = use_bias
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape: Shape) -> None:
        """Make table and bias."""
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.input_dim, self.output_dim),
            initializer=self.embeddings_initializer,
        )
        self.bias = (
            self.add_weight(
                name="bias", shape=(self.output_dim,), initializer=self.bias_initializer
            )
            if self.use_bias
            else None
        )

    def call(self, inputs: Any) -> Any:
        """Look up a tensor of indices."""
        rows = ops.take(self.embeddings, ops.cast(inputs, "int32"), axis=0)
        if self.bias is not None:
            rows = ops.add(rows, self.bias)
        if len(inputs.shape) > 1:
            rows = ops.swapaxes(rows, -1, -2)
        return ops.cast(rows, self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """See the class."""
        if len(input_shape) < 2:
            return (*input_shape, self.output_dim)
        return (*input_shape[:-1], self.output_dim, input_shape[-1])
