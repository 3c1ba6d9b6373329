"""Caffe's DummyData layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._base import CaffeLayer

Shape = tuple[int | None, ...]
_Fill = Callable[[Mapping[str, Any], Sequence[Any], keras.random.SeedGenerator], Any]

_FILLS: dict[str, _Fill] = {
    "constant": lambda filler, shape, seed: ops.full(shape, filler["value"], "float32"),
    "gaussian": lambda filler, shape, seed: keras.random.normal(
        shape, filler["mean"], filler["std"], "float32", seed
    ),
    "uniform": lambda filler, shape, seed: keras.random.uniform(
        shape, filler["min"], filler["max"], "float32", seed
    ),
}


@keras.saving.register_keras_serializable(package="keras_fcn")
class DummyData(CaffeLayer):
    """Filled tensors: constant, or with new random numbers at each pass.

    Of the input only the batch size counts.

    Source: Caffe's `dummy_data_layer.cpp`.

    Args:
        shapes: a shape for each output, channels-last, batch axis included; a first
            size of None is the input's batch size.
        fillers: what fills each output: `{"type": "constant", "value": 0.5}`,
            `{"type": "uniform", "min": 0, "max": 1}` or
            `{"type": "gaussian", "mean": 0, "std": 1}`.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, ...).

    Output shape:
        A list of the `shapes`.

    Raises:
        ValueError: not one filler for each shape, or one of another type.
    """

    def __init__(
        self,
        shapes: Sequence[Sequence[int | None]],
        fillers: Sequence[Mapping[str, Any]],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if len(shapes) != len(fillers):
            raise ValueError(
                f"fillers must be as many as shapes. Received: {len(fillers)} for {len(shapes)}"
            )
        for filler in fillers:
            if filler["type"] not in _FILLS:
                raise ValueError(
                    f"a filler's type must be one of {sorted(_FILLS)}. Received: {filler['type']!r}"
                )
        self.shapes = [tuple(shape) for shape in shapes]
        self.fillers = [dict(filler) for filler in fillers]
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, inputs: Any) -> list[Any]:
        """Fill the tensors."""
        return [
            ops.cast(self._fill(shape, filler, inputs), self.compute_dtype)
            for shape, filler in zip(self.shapes, self.fillers, strict=True)
        ]

    def _fill(self, shape: Shape, filler: Mapping[str, Any], inputs: Any) -> Any:
        if shape and shape[0] is None:
            shape = (ops.shape(inputs)[0], *shape[1:])
        return _FILLS[filler["type"]](filler, shape, self.seed_generator)

    def compute_output_shape(self, input_shape: Shape) -> list[Shape]:
        """The shapes."""
        return list(self.shapes)
