"""Options of a pipeline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keras_fcn.caffe.words import quoted

__all__ = ["Options"]

_ON_ERROR = ("stop", "skip")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Arguments of `LabelledImages.to_tf`."""

    batch_size: int = 1
    augmentation: Callable[..., tuple[np.ndarray, np.ndarray]] | None = None
    shuffle: bool = False
    seed: int = 0
    size: tuple[int, int] | None = None
    crop_size: tuple[int, int] | None = None
    repeat: bool = False
    start: int = 0
    shard: tuple[int, int] = (0, 1)
    on_error: str = "stop"
    balance_classes: bool = False

    def __post_init__(self) -> None:
        index, count = self.shard
        if self.batch_size < 1 or self.start < 0 or not 0 <= index < count or self.seed < 0:
            raise ValueError(
                f"{quoted('batch_size')} is at least 1, `start` and `seed` at least 0, `shard` "
                f"(index, count) with index below count. Received: batch_size={self.batch_size}, "
                f"start={self.start}, seed={self.seed}, shard={self.shard}"
            )
        for name in ("size", "crop_size"):
            value = getattr(self, name)
            if value is not None and (len(value) != 2 or min(value) < 1):
                raise ValueError(f"{quoted(name)} is (height, width) or None. Received: {value!r}")
        if self.on_error not in _ON_ERROR:
            raise ValueError(f"`on_error` is one of {_ON_ERROR}. Received: {self.on_error!r}")
        if self.balance_classes and not self.shuffle:
            raise ValueError("`balance_classes` needs `shuffle`. Received: shuffle=False")
