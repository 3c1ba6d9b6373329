"""Image files to arrays, and how the dtype of an array tells its range."""

from __future__ import annotations

import os
from typing import IO

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageOps

__all__ = [
    "as_uint8",
    "file_name",
    "fit_channels",
    "full_scale",
    "load_image",
    "match_channels",
    "pillow_pixels",
    "visible",
]

_LUMA = (0.299, 0.587, 0.114)
LUMA_PARTS = (19595, 38470, 7471)
"""The same as parts of 1 << 16, as Pillow has them: integers round alike everywhere."""


def load_image(path: str | os.PathLike[str] | IO[bytes], color: bool = True) -> np.ndarray:
    """Reads an image file as `caffe.io.load_image` does, but keeps 8-bit values as they are.

    Palettes are looked up. Alpha is dropped and the colours under it stay, as in Caffe. Greyscale
    of 16 bits is brought to 8 (divided by 257, rounded). Only the first frame of an animation is
    read. The orientation that a camera wrote (EXIF) is applied, which Caffe did not do.

    Args:
        path: a file name, or a binary file open for reading.
        color: True for RGB, with grey repeated in the three channels; False for one channel of
            luma, 0.299 R + 0.587 G + 0.114 B.

    Returns:
        uint8, `(H, W, 3)`, or `(H, W, 1)` where `color` is False.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not an image, is cut short, or holds no 8 or 16-bit values.
    """
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(
            "Cannot read an image (PNG, JPEG, ...) that is whole. Received: "
            f"{file_name(path)}: {error}"
        ) from error
    return pillow_pixels(image, color, file_name(path))


def pillow_pixels(image: Image.Image, color: bool = True, name: str = "an image") -> np.ndarray:
    """The pixels of a Pillow image, as `load_image` gives them; `name` is for messages."""
    if image.mode[0] in "IF":
        image = _from_wide(image, name)
    if image.mode == "P":
        image = image.convert("RGBA")
    pixels = np.asarray(image.convert("RGB" if color else "L"))
    return pixels if color else pixels[..., np.newaxis]


def _from_wide(image: Image.Image, name: str) -> Image.Image:
    values = np.asarray(image)
    if image.mode[0] == "F" or values.min() < 0 or values.max() > 65535:
        raise ValueError(
            f"An image must hold 8 or 16-bit values; scale it to 0..255 first. Received: "
            f"{name} of Pillow mode {image.mode!r}, {values.min()} to {values.max()}"
        )
    return Image.fromarray(np.rint(values / 257).astype(np.uint8))


def file_name(file: object) -> str:
    """What messages call a picture's file: its path, or the name of a file that is open."""
    # A path has a name too, without its folder.
    return str(file if isinstance(file, os.PathLike) else getattr(file, "name", file))


def as_uint8(image: ArrayLike) -> np.ndarray:
    """Pixels 0..255 of an image of any shape: floats are taken as 0..1, clipped and rounded.

    Raises:
        ValueError: integers outside 0..255, values that are not numbers, or not finite.
    """
    image = np.asarray(image)
    if full_scale(image) == 255:
        return image.astype(np.uint8)
    if not np.isfinite(image).all():
        raise ValueError("An image must be finite. Received: values that are NaN or infinite")
    return np.asarray(np.rint(np.clip(image, 0, 1) * 255), np.uint8)


def full_scale(image: np.ndarray) -> int:
    """The value of white, by the dtype: 255 for integers, 1 for floats.

    Raises:
        ValueError: integers outside 0..255, or values that are not numbers.
    """
    if image.dtype.kind == "f":
        return 1
    if image.dtype.kind not in "iu":
        raise ValueError(f"An image must be of numbers. Received: dtype {image.dtype}")
    if image.dtype != np.uint8 and image.size and (image.min() < 0 or image.max() > 255):
        raise ValueError(
            f"Integer images hold 0..255; divide others by their range to give floats 0..1. "
            f"Received: dtype {image.dtype}, {image.min()} to {image.max()}"
        )
    return 255


def visible(image: np.ndarray) -> np.ndarray:
    """The channels of `(H, W, channels)` that a picture can show: the first three, or the first."""
    return image[..., :3] if image.shape[-1] >= 3 else image[..., 0]


def match_channels(image: np.ndarray, channels: int) -> np.ndarray:
    """`(H, W)` or `(..., H, W, n)` as `(..., H, W, channels)`; grey is repeated where 3 are wanted.

    Raises:
        ValueError: any other number of channels.
    """
    if image.ndim == 2:
        image = image[..., np.newaxis]
    have = image.shape[-1] if image.ndim > 2 else 0
    if have == channels:
        return image
    if have == 1 and channels == 3:
        return np.repeat(image, 3, axis=-1)
    raise ValueError(
        f"The last axis of an image must hold {channels} channel(s); load_image(color=...) gives 3 "
        f"or 1. Received: image of shape {image.shape}"
    )


def fit_channels(image: np.ndarray, channels: int) -> np.ndarray:
    """The image with as many channels as a network takes.

    Grey is repeated for three channels, colours become luma for one, and of four channels (RGB and
    alpha, or a fourth band) the first three are taken where three are wanted.

    Raises:
        ValueError: other numbers of channels.
    """
    have = image.shape[-1]
    if (have, channels) == (4, 3):
        return image[..., :3]
    if (have, channels) == (3, 1):
        if image.dtype != np.uint8:
            return (image @ np.array(_LUMA, np.float32))[..., np.newaxis]
        luma = (image @ np.array(LUMA_PARTS, np.int32) + (1 << 15)) >> 16
        return luma[..., np.newaxis].astype(np.uint8)
    return match_channels(image, channels)
