"""Batches of a prediction that need no data pipeline of Keras'."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

__all__ = ["Batches", "direct_batches", "joined"]


class Batches:
    """Inputs of a model, batch by batch, with a progress bar.

    Args:
        each: the batches.
        count: how many; None: that is not known.
    """

    def __init__(self, each: Iterable[Any], count: int | None) -> None:
        self.each = each
        self.count = count

    def shown(self, verbose: Any) -> Iterator[Any]:
        """The batches; the bar follows, where there are several, as far as they are asked for."""
        if verbose in (0, False) or self.count == 1:
            yield from self.each
            return
        bar = keras.utils.Progbar(self.count)
        for step, batch in enumerate(self.each, 1):
            yield batch
            bar.update(step)


def direct_batches(model: keras.Model, data: Any, batch_size: int) -> Batches | None:
    """The batches of arrays, or on TensorFlow of a `tf.data.Dataset`; None for anything else.

    Args:
        model: what they are for.
        data: as for `keras.Model.predict`.
        batch_size: images a batch; a data set has its own batches.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if isinstance(data, tf.data.Dataset):
            return _of_dataset(data)
    if keras.ops.is_tensor(data) and len(data.shape) and len(data):
        data = keras.ops.convert_to_numpy(data)
    if isinstance(data, np.ndarray):
        return _cut([data], batch_size, lambda parts: _tensor(parts[0], "float32"))
    arrays = _in_order(model, data)
    if arrays is None or len({len(array) for array in arrays}) != 1 or not len(arrays[0]):
        return None
    types = [tensor.dtype for tensor in model.inputs]
    return _cut(arrays, batch_size, lambda parts: list(map(_tensor, parts, types)))


def joined(parts: Iterable[Any]) -> Any:
    """The outputs of several batches as those of one.

    Raises:
        ValueError: there are none.
    """
    found = list(parts)
    if not found:
        raise ValueError("there is no batch to predict")
    if len(found) == 1:
        return found[0]
    return keras.tree.map_structure(
        lambda *arrays: np.concatenate([np.atleast_1d(array) for array in arrays]), *found
    )


def _cut(arrays: list[np.ndarray], size: int, made: Any) -> Batches:
    starts = range(0, len(arrays[0]), size)
    return Batches(
        (made([array[start : start + size] for array in arrays]) for start in starts), len(starts)
    )


def _tensor(array: np.ndarray, dtype: str) -> Any:
    return keras.ops.convert_to_tensor(array, dtype)


def _in_order(model: keras.Model, data: Any) -> list[np.ndarray] | None:
    """An array for each input of a model that takes a list of them; None: it is no such thing."""
    inputs = getattr(model, "inputs", None) or ()
    if not isinstance(getattr(model, "input", None), list | tuple) or len(inputs) < 2:
        return None
    names = [tensor.name for tensor in inputs]
    if isinstance(data, Mapping):
        data = [data[name] for name in names] if set(data) == set(names) else ()
    fits = isinstance(data, list | tuple) and len(data) == len(names)
    return list(data) if fits and all(isinstance(x, np.ndarray) and x.ndim for x in data) else None


def _of_dataset(data: Any) -> Batches | None:
    import tensorflow as tf

    spec, count = data.element_spec, int(data.cardinality())
    labelled = isinstance(spec, tuple | list)
    specs = keras.tree.flatten(spec[0] if labelled and spec else spec)
    if count == tf.data.INFINITE_CARDINALITY or (labelled and not 0 < len(spec) <= 3):
        return None  # Keras says what is wrong
    if not all(isinstance(x, tf.TensorSpec) and x.shape.rank for x in specs):
        return None
    each = (element[0] if labelled else element for element in data)
    return Batches(each, count if count >= 0 else None)
