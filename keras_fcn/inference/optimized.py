"""Networks made ready for inference, in the engine that runs them fastest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from keras_fcn.cards.card import Card
from keras_fcn.preprocessing.input_arrays import check_arrays

__all__ = ["InferenceModel", "Tensor", "outputs_in", "structure_of"]

Array = npt.NDArray[Any]
Runs = Callable[[Sequence[Array]], Sequence[Array]]
"""An array for each input -> one for each output; channels last."""

_BATCH = 32


class Tensor(NamedTuple):
    """An input or an output.

    Attributes:
        name: its name.
        shape: (batch, ..., channels); None where a size is free.
    """

    name: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Ready:
    """A network in an engine.

    Attributes:
        engine: its name.
        run: runs it.
    """

    engine: str
    run: Runs


class InferenceModel:
    """A snapshot of a network for inference; see `keras_fcn.optimize_for_inference`.

    It takes and gives what the Keras model does: arrays (batch, height, width, channels).
    `keras_fcn.predict`, `segment`, `classify`, `detect` and `keypoints` take it as they take a
    model. What is trained afterwards does not change it.

    Attributes:
        name: the network's name.
        card: the network's knowledge of its job; see `keras_fcn.core.card`.
        engine: what runs it: `"ncnn"`, `"onnxruntime"`, `"openvino"` or `"tensorflow"`.
        precision: `"float32"` or `"bfloat16"`.
        inputs: names and shapes of the inputs.
        outputs: those of the outputs.
        difference: how far the engine's numbers for a made-up image were from those that they
            should be, as a share of the largest; None where there was nothing to compare with.
        changed_labels: the share of labels that a lower precision changes; None for float32.
    """

    def __init__(
        self,
        ready: Ready,
        structure: Any,
        card: Card,
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        *,
        rows: bool = False,
        precision: str = "float32",
        difference: float | None = None,
    ) -> None:
        self._ready = ready
        self._structure = structure
        self._rows = rows
        self.name: str = structure.name
        self.card = card
        self.engine = ready.engine
        self.precision = precision
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self.difference = difference
        self.changed_labels: float | None = None

    def __repr__(self) -> str:
        def told(tensors: Iterable[Tensor]) -> str:
            return ", ".join(f"{x.name} {x.shape}" for x in tensors)

        return (
            f"<InferenceModel {self.name!r} in {self.engine}, {self.precision}: "
            f"{told(self.inputs)} -> {told(self.outputs)}>"
        )

    @property
    def input(self) -> Any:
        """The input, or a list of them."""
        return self.inputs[0] if len(self.inputs) == 1 else list(self.inputs)

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs."""
        return [x.name for x in self.inputs]

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs: those of the layers that make them."""
        return [x.name for x in self.outputs]

    @property
    def input_shape(self) -> Any:
        """The input's shape, or a list of them."""
        shapes = [x.shape for x in self.inputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def output_shape(self) -> Any:
        """The output's shape, or a list of them."""
        shapes = [x.shape for x in self.outputs]
        return shapes[0] if len(shapes) == 1 else shapes

    def __call__(self, inputs: Any) -> Any:
        """The outputs for one batch, as arrays.

        Args:
            inputs: an array (batch, height, width, channels), or arrays in a list or by the
                inputs' names.

        Raises:
            ValueError: the inputs are others.
            CaffeError: the network cannot take images of this size.
        """
        return self._given(self._run(self._arrays(inputs)))

    def predict(self, x: Any, batch_size: int | None = None, verbose: Any = 0) -> Any:
        """The outputs, as those of `keras.Model.predict`.

        Args:
            x: an array (images, height, width, channels), or arrays in a list or by the inputs'
                names; or batches of them, one after the other, as a `tf.data.Dataset` and a
                generator give: of a pair the first is taken.
            batch_size: images at a time; 32 by default. Those of a detector, whose boxes are
                counted through all images, are run at once.
            verbose: taken as by Keras; nothing is printed.

        Returns:
            An array, or a list of one for each output.

        Raises:
            ValueError: the inputs are others, or there are none.
            CaffeError: the network cannot take images of this size.
        """
        size = _BATCH if batch_size is None else batch_size
        if size < 1:
            raise ValueError(f"batch_size must be at least 1. Received: {batch_size}")
        parts = [self._run(arrays) for arrays in self._batches(x, size)]
        if not parts:
            raise ValueError("there is no batch to predict")
        if self._rows and len(parts) > 1:
            raise ValueError(
                f"the boxes of {self.name!r} are counted through all images; give them in one "
                "array, or predict one batch at a time"
            )
        return self._given([_joined(each) for each in zip(*parts, strict=True)])

    def _batches(self, data: Any, size: int) -> Iterator[list[Array]]:
        if not (hasattr(data, "shape") or isinstance(data, list | tuple | Mapping)):
            for batch in data:
                yield self._arrays(batch[0] if isinstance(batch, tuple) else batch)
            return
        arrays = self._arrays(data)
        count = len(arrays[0]) if arrays[0].ndim else 1
        if self._rows or count <= size:
            yield arrays
            return
        for start in range(0, count, size):
            yield [array[start : start + size] for array in arrays]

    def _arrays(self, data: Any) -> list[Array]:
        """An array for each input, in their order."""
        if isinstance(data, list | tuple):
            data = [np.asarray(x) for x in data]
        elif not isinstance(data, Mapping):
            data = np.asarray(data)
        check_arrays(self, data)
        if isinstance(data, Mapping):
            data = [data[name] for name in self.input_names]
        given = data if isinstance(data, list) else [data]
        arrays = [
            _ranked(np.asarray(x, np.float32), len(tensor.shape))
            for x, tensor in zip(given, self.inputs, strict=True)
        ]
        counts = {len(x) for x in arrays if x.ndim}
        if len(counts) > 1 and not self._rows:
            raise ValueError(f"the inputs hold different numbers of images: {sorted(counts)}")
        return arrays

    def _run(self, arrays: Sequence[Array]) -> Sequence[Array]:
        if arrays[0].ndim and not len(arrays[0]):  # no images give no rows
            one = [np.zeros((1, *array.shape[1:]), np.float32) for array in arrays]
            return [output[:0] for output in self._ready.run(one)]
        return self._ready.run(arrays)

    def _given(self, outputs: Sequence[Array]) -> Any:
        return outputs[0] if len(outputs) == 1 else list(outputs)


def structure_of(model: Any) -> Any:
    """What tells the layers of a model: of an `InferenceModel` that of its network."""
    return model._structure if isinstance(model, InferenceModel) else model


def outputs_in(found: Any) -> list[Any]:
    """What `predict` gives, of whatever model, as a list of its outputs."""
    if isinstance(found, np.ndarray):
        return [found]
    if isinstance(found, list) and all(isinstance(x, np.ndarray) for x in found):
        return found
    import keras

    return list(keras.tree.flatten(found))


def _ranked(array: Array, rank: int) -> Array:
    """An array with a last axis of one more, or less, as Keras takes it."""
    if array.ndim == rank + 1 and array.shape[-1] == 1:
        return array[..., 0]
    return array[..., np.newaxis] if array.ndim == rank - 1 else array


def _joined(parts: Sequence[Array]) -> Array:
    return parts[0] if len(parts) == 1 else np.concatenate([np.atleast_1d(x) for x in parts])
