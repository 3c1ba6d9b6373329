"""Means as users tell them: in words, in files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_fcn.caffe.blobs.means import read_mean as read_file

__all__ = ["Option", "checked_mean", "is_file", "read_mean"]

Option = Callable[[str], str]
"""Argument of a function -> what messages call it; the command line has options."""

_MEAN_NAMES = ("ilsvrc_2012", "ilsvrc_2012_pixel")
_MEAN_FILES = (".binaryproto", ".npy")


def read_mean(text: str, channels: int | None = None, *, option: Option = str) -> Any:
    """A mean in words as `keras_fcn.preprocessing.Preprocessing` takes it.

    Args:
        text: pixel values in the network's channel order, `"104,117,123"`; a `.npy` or
            `.binaryproto` file; `"ilsvrc_2012"`, `"ilsvrc_2012_pixel"` or `"none"`.
        channels: how many the network takes, by which the axes of a file are told apart.
        option: what messages call an argument.

    Raises:
        CaffeError: the file cannot be read, or does not fit.
        ValueError: the text is none of the forms.
    """
    if text == "none":
        return None
    if text in _MEAN_NAMES:
        return text
    if is_file(text):
        return read_file(text, channels)
    try:
        return tuple(float(value) for value in text.split(","))
    except ValueError as error:
        raise ValueError(
            f"{option('mean')} is pixel values such as 104,117,123, a "
            f"{' or '.join(_MEAN_FILES)} file, {', '.join(_MEAN_NAMES)}, or none. Received: {text}"
        ) from error


def checked_mean(text: str, *, option: Option = str) -> Any:
    """As `read_mean`; of a file its name, for `prepare_as` to read.

    Raises:
        CaffeError: there is no such file.
        ValueError: the text is none of the forms.
    """
    return text if is_file(text) and Path(text).is_file() else read_mean(text, option=option)


def is_file(text: str) -> bool:
    """Whether the text names a file, whether it is there or not."""
    return Path(text).suffix.lower() in _MEAN_FILES
