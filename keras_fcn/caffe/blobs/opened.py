"""Base of all opened weights files."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy.typing as npt

from keras_fcn.caffe.io.source import SourceFile

Array = npt.NDArray[Any]


class Weights(Mapping[str, list[Array]]):
    """The weights of an open file: layer name -> arrays, read when asked for.

    See `keras_fcn.caffe.blobs.weights.open_weights`. Names and layouts are those of the
    file's kind: Caffe's in a `CaffeModel`, Keras' in a `WeightsFile`.

    Attributes:
        path: the file's path.
        source: the file, from which hashes are computed as long as it is open.
        notes: what was passed over in the file, one line each.
    """

    path: str
    source: SourceFile | None = None
    notes: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self.source is not None:
            self.source.close()

    @abstractmethod
    def blob_shapes(self) -> dict[str, list[tuple[int, ...]]]:
        """Shapes of the blobs in Caffe's layout: Caffe layer name -> shapes, where known."""

    @abstractmethod
    def keras_names(self) -> list[str]:
        """The layers that have weights, by their names in Keras."""

    def mean(self) -> Array | None:
        """The mean that is stored beside the weights, (H, W, C) or (C,); None without one."""
        return None
