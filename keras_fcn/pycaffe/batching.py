"""Arrays of any length in batches of a net's size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from keras_fcn.caffe.layers.base import Array


def length_of(arrays: Mapping[str, Sequence[Array]]) -> int:
    """The length that arrays have in common.

    Raises:
        ValueError: there are none, or their lengths differ.
    """
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"arrays of one length are needed. Received: {lengths or 'none'}")
    return next(iter(lengths.values()))


def batches(arrays: Mapping[str, Sequence[Array]], size: int) -> Iterator[dict[str, Any]]:
    """Parts of some arrays, each of `size` items; the last one is filled up with zeros.

    Raises:
        ValueError: see `length_of`.
    """
    for start in range(0, length_of(arrays), size):
        parts = {name: np.asarray(array[start : start + size]) for name, array in arrays.items()}
        yield {
            name: np.concatenate([part, np.zeros((size - len(part), *part.shape[1:]), part.dtype)])
            for name, part in parts.items()
        }


def joined(name: str, parts: Sequence[Array], size: int, length: int) -> Array:
    """The results of batches in one array, without what belongs to the zeros.

    Raises:
        ValueError: a result does not have an item for each of the batch.
    """
    for part in parts:
        if not part.shape or len(part) != size:
            raise ValueError(
                f"blob {name!r} of shape {part.shape} does not have one item for each of the "
                f"{size} of a batch; run the batches one by one with forward"
            )
    return np.concatenate(parts)[:length] if parts else np.zeros(0, np.float32)
