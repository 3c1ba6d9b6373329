"""Image files as OpenCV decodes them, which Caffe's data layers do."""

from __future__ import annotations

import io
import os

import numpy as np
from PIL import Image, ImageOps

__all__ = ["decode_bgr"]

# Shares of red, green and blue in grey, and the bits that they have: libpng cuts the sum,
# OpenCV's own conversion rounds it.
_PNG_GREY = (9797, 19234, 3737), 15, 0
_OWN_GREY = (4899, 9617, 1868), 14, 1 << 13


def decode_bgr(file: bytes | str | os.PathLike[str], color: bool | None = True) -> np.ndarray:
    """Decodes a PNG, JPEG, BMP or other image as OpenCV's `imread` and `imdecode` do.

    OpenCV 4.14 gives these values bit for bit, but that of CMYK JPEG may differ by 1. The grey of a
    JPEG is the one that is stored. Of 16 bits the upper 8 are taken.

    Args:
        file: a file name, or the content of a file.
        color: True for three channels, False for grey, as `IMREAD_COLOR` and `IMREAD_GRAYSCALE`;
            both are turned as the camera says (EXIF). None for the channels that the file has, as
            `IMREAD_UNCHANGED`; palettes are looked up.

    Returns:
        uint8, `(H, W, channels)`; colours are blue, green, red, and alpha where `color` is None.

    Raises:
        OSError: there is no such file.
        ValueError: it is no image, is cut short, or has 16 bits while `color` is None.
    """
    try:
        with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file) as image:
            pixels = _decoded(image, color)
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        # Pillow's messages may show where the content lies in memory.
        reason = "not an image file" if "cannot identify" in str(error) else error
        raise ValueError(f"not an image that is whole: {reason}") from error
    if pixels.shape[2] == 4:
        return pixels[..., [2, 1, 0, 3]]
    return pixels[..., ::-1]


def _decoded(image: Image.Image, color: bool | None) -> np.ndarray:
    """Pixels `(H, W, channels)`, RGB."""
    if color is None:
        modes = [image.mode, *(str(tile[3]) for tile in getattr(image, "tile", ()))]
        if image.mode[0] in "IF" or any(";16" in mode for mode in modes):
            raise ValueError("pixels of more than 8 bits; force_color or force_gray make them 8")
        return _as(image, _UNCHANGED.get(_kind(image), "RGB"))
    grey = _PNG_GREY if image.format == "PNG" else _OWN_GREY
    if not color:
        image.draft("L", image.size)
    image = _eight_bits(ImageOps.exif_transpose(image))
    if image.mode in ("L", "LA", "1"):
        return _as(image, "RGB" if color else "L")
    pixels = _as(image, "RGB")
    return pixels if color else _grey(pixels, *grey)


_UNCHANGED = {"1": "L", "L": "L", "LA": "RGBA", "RGBA": "RGBA", "transparent": "RGBA"}


def _kind(image: Image.Image) -> str:
    return "transparent" if "transparency" in image.info else image.mode


def _as(image: Image.Image, mode: str) -> np.ndarray:
    if image.mode != mode:
        if image.mode == "P":
            image = image.convert("RGBA")
        image = image.convert(mode)
    pixels = np.asarray(image)
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode[0] not in "IF":
        return image
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise ValueError(f"pixels of Pillow mode {image.mode!r} are not of 8 or 16 bits")
    return Image.fromarray((values >> 8).astype(np.uint8))


def _grey(pixels: np.ndarray, shares: tuple[int, int, int], bits: int, add: int) -> np.ndarray:
    red, green, blue = (pixels[..., i].astype(np.int32) for i in range(3))
    grey = shares[0] * red + shares[1] * green + shares[2] * blue + add >> bits
    return grey.astype(np.uint8)[..., np.newaxis]
