"""Bytes of clients to pixels."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, UnidentifiedImageError

from keras_fcn.preprocessing.images import fit_channels
from keras_fcn.preprocessing.reading import read_pillow
from keras_fcn.serving.limits import Refused

__all__ = ["FORMATS", "decoded"]

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def decoded(data: bytes, channels: int, max_pixels: int) -> np.ndarray:
    """The pixels of an image (H, W, channels), of an animation its first frame.

    Args:
        data: a file of one of `FORMATS`, told by its content.
        channels: how many the network takes.
        max_pixels: how many pixels are decoded at most.

    Raises:
        Refused: 415 for another kind of file, 413 for too many pixels, 422 for an image that is
            not whole or has other channels.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except _BOMBS as error:
        raise _too_large(f"more than the {max_pixels} allowed") from error
    except UnidentifiedImageError as error:
        raise Refused(
            415, "not_an_image", f"the body is not an image of {', '.join(FORMATS)}"
        ) from error
    except Exception as error:  # a header may break a format's reader in any way
        raise Refused(422, "broken_image", f"the image cannot be read: {error}") from error
    with image:
        width, height = image.size
        if width * height > max_pixels:
            raise _too_large(f"{width} x {height}, and at most {max_pixels} are allowed")
        try:
            return fit_channels(read_pillow(image, "the image"), channels)
        except Exception as error:
            raise Refused(422, "broken_image", f"the image cannot be read: {error}") from error


def _too_large(pixels: str) -> Refused:
    return Refused(413, "too_many_pixels", f"the image has too many pixels: {pixels}")
