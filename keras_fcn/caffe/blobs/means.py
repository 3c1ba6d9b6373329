"""The mean that a network subtracts: files of it, and which of an array's axes holds channels."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.blobs.binaryproto import read_binaryproto
from keras_fcn.caffe.errors import WeightsError

__all__ = ["arranged_mean", "read_mean"]

Array = npt.NDArray[Any]

# Channels of pictures, where the network's are not known.
_USUAL = (1, 3)
_REMEDY = "save it as (channels, height, width), or give one value a channel"


def read_mean(path: str | Path, channels: int | None = None) -> Array:
    """Read a mean file: (H, W, C), or a pixel (C,).

    A binaryproto holds (C, H, W), as Caffe's `compute_image_mean` writes it. The axes of a
    `.npy` are told apart by the network's channels, or else by 1 or 3 of them.

    Args:
        path: a `.npy`, or else a binaryproto.
        channels: how many the network takes; None where that is not known.

    Raises:
        WeightsError: the file is neither a binaryproto nor a plain `.npy` array, has a
            shape that no mean has, other channels than the network, or channels that
            cannot be told from height and width.
    """
    order = None
    if Path(path).suffix.lower() != ".npy":
        mean, order = read_binaryproto(path), "first"
    else:
        try:
            mean = np.array(np.lib.format.open_memmap(path, mode="r"))
        except (OSError, ValueError) as error:
            raise WeightsError(f"cannot read {path} as a NumPy array: {error}") from error
        if mean.dtype.kind not in "fiu":
            raise WeightsError(f"{path} holds {mean.dtype} values; a mean holds real numbers")
    try:
        return arranged_mean(mean, channels, order)
    except ValueError as error:
        raise WeightsError(f"{path} {error}") from error


def arranged_mean(mean: Array, channels: int | None = None, order: str | None = None) -> Array:
    """A mean as (H, W, C), or as a pixel (C,). Nothing is averaged.

    Args:
        mean: an image, also in a batch of one, or a pixel.
        channels: how many the network takes; None where that is not known.
        order: which end of an image is its channels, `"first"` or `"last"`; None to tell
            by `channels`.

    Raises:
        ValueError: it has a shape that no mean has, other channels than the network, or
            channels that cannot be told from height and width.
    """
    shape = mean.shape
    known = _USUAL if channels is None else (channels,)
    while mean.ndim > 3 and mean.shape[0] == 1:
        mean = mean[0]
    if mean.ndim == 2 and channels == 1 and 1 not in mean.shape:
        mean, order = mean[..., np.newaxis], "last"
    if _is_pixel(mean, known):
        mean = mean.reshape(1, 1, -1) if mean.ndim == 3 else mean.ravel()
    elif mean.ndim != 3 or not mean.size:
        raise ValueError(f"has shape {shape}; a mean is (C,), (C, H, W) or (H, W, C)")
    elif order is None and not {mean.shape[0], mean.shape[-1]} & {*known}:
        whose = "a mean's" if channels is None else "the network's"
        raise ValueError(
            f"has shape {shape}; neither end is {_either(known)}, as {whose} channels are: "
            f"{_REMEDY}"
        )
    elif (order or _order(mean.shape, known)) is None:
        raise ValueError(
            f"has shape {shape}; its channels are told from height and width where one end alone "
            f"is {_either(known)}: {_REMEDY}"
        )
    elif (order or _order(mean.shape, known)) == "first":
        mean = np.ascontiguousarray(mean.transpose(1, 2, 0))
    if channels is not None and mean.size != 1 and mean.shape[-1] != channels:
        raise ValueError(
            f"has shape {shape}, {mean.shape[-1]} channels; the network takes {channels}: {_REMEDY}"
        )
    return mean


def _either(known: Collection[int]) -> str:
    return " or ".join(map(str, known))


def _is_pixel(mean: Array, known: Collection[int]) -> bool:
    """Whether an array has one axis, or as good as one, of as many values as there are channels."""
    if mean.ndim in (1, 2):
        return mean.ndim == 1 or 1 in mean.shape
    return mean.ndim == 3 and mean.size == max(mean.shape) and mean.size in {*known, *_USUAL}


def _order(shape: tuple[int, ...], known: Collection[int]) -> str | None:
    """The channel axis of an image, first or last; None where both can be, or neither."""
    first, last = shape[0] in known, shape[-1] in known
    return None if first == last else "first" if first else "last"
