"""Image and mask files as arrays that keep their channels and their depth."""

from __future__ import annotations

import contextlib
import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.preprocessing.images import file_name, pillow_pixels
from keras_fcn.preprocessing.tiff_pages import require_plain

__all__ = [
    "SUFFIXES",
    "needs_tifffile",
    "read_encoded",
    "read_image",
    "read_mask",
    "read_pillow",
    "read_stored",
]

_EXTENSIONS = "png jpg jpeg jpe jfif bmp gif ppm pgm pbm pnm tif tiff webp npy"
SUFFIXES = frozenset(f".{extension}" for extension in _EXTENSIONS.split())
"""Endings of the files that a folder of images is searched for."""

_WIDE = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_SAMPLES_PER_PIXEL, _BITS_PER_SAMPLE = 277, 258


def read_image(path: Path) -> np.ndarray:
    """An image with all its channels.

    `.npy` files hold `(H, W)` or `(H, W, channels)`. TIFF files of more than four channels, or of
    several channels deeper than 8 bits, are read with the package tifffile. All else is read by
    Pillow, as `keras_fcn.preprocessing.load_image` does, but grey stays one channel, and 16-bit
    values keep their depth.

    Returns:
        `(H, W, channels)`: uint8 0..255 as it is; uint16 divided by 65535, float32; floats as
        float32.

    Raises:
        OSError: the file is missing or cannot be read.
        ValueError: it is not an image, or holds other numbers.
        CaffeError: it needs tifffile, which is not installed.
    """
    if path.suffix.lower() == ".npy":
        pixels = _load_array(path)
    elif path.suffix.lower() in (".tif", ".tiff") and needs_tifffile(path):
        pixels = _load_tiff(path)
    else:
        pixels = read_stored(path)
    return _checked(pixels, str(path))


def read_stored(path: Path) -> np.ndarray:
    """A picture that Pillow knows, (H, W) or (H, W, channels), its values as they are stored.

    Raises:
        OSError: the file is missing or cannot be read.
        ValueError: it is not an image that is whole.
    """
    with _opened(path) as image:
        return _picture_pixels(image, str(path))


def read_encoded(data: bytes, name: str = "a picture") -> np.ndarray:
    """A picture that Pillow knows, with all its channels, as `read_image` gives it from a file.

    Args:
        data: the content of its file.
        name: what messages call it.

    Raises:
        ValueError: it is not an image that is whole.
    """
    with _opened(io.BytesIO(data), name) as image:
        return read_pillow(image, name)


def read_pillow(image: Image.Image, name: str = "a Pillow image") -> np.ndarray:
    """A Pillow image with all its channels, as `read_image` gives it from a file.

    Args:
        image: of any mode.
        name: what messages call it.

    Raises:
        ValueError: its pixels cannot be read, or are other numbers.
    """
    return _checked(_picture_pixels(image, name), name)


def _checked(pixels: np.ndarray, name: str) -> np.ndarray:
    """Pixels as `read_image` gives them."""
    if pixels.dtype == np.uint16:
        pixels = pixels / np.float32(65535)
    if pixels.ndim == 2:
        pixels = pixels[..., np.newaxis]
    if pixels.dtype.kind == "f":
        pixels = pixels.astype(np.float32, copy=False)
    if pixels.ndim != 3 or pixels.dtype not in (np.uint8, np.float32) or not pixels.size:
        raise ValueError(
            f"{name}: an image is (H, W) or (H, W, channels), of uint8, uint16 or floats. "
            f"Received: {pixels.dtype} {pixels.shape}"
        )
    if pixels.dtype == np.float32 and not np.isfinite(pixels).all():
        raise ValueError(f"{name}: the image has values that are NaN or infinite")
    return pixels


def read_mask(file: str | os.PathLike[str] | IO[bytes], colours: bool = False) -> np.ndarray:
    """A mask as it is in its file: palettes give their indices, 16-bit values stay.

    Args:
        file: a name, or a binary file open for reading.
        colours: whether palettes are looked up.

    Returns:
        Integers `(H, W)`, or colours `(H, W, 3)`.

    Raises:
        OSError: the file is missing or cannot be read.
        ValueError: it is not a mask.
    """
    if isinstance(file, str | os.PathLike) and Path(file).suffix.lower() == ".npy":
        mask = _load_array(Path(file))
        mask = mask[..., 0] if mask.ndim == 3 and mask.shape[-1] == 1 else mask
    else:
        mask = _load_mask(file, colours)
    if mask.dtype.kind not in "biu" or mask.ndim not in (2, 3) or mask.shape[2:] not in ((), (3,)):
        raise ValueError(
            f"{file_name(file)}: a mask is integers (H, W) or colours (H, W, 3). "
            f"Received: {mask.dtype} {mask.shape}"
        )
    return mask.astype(np.uint8) if mask.dtype == bool else mask


def _picture_pixels(image: Image.Image, name: str) -> np.ndarray:
    mode = image.mode
    try:  # Pillow reads a file's pixels when they are asked for
        image = ImageOps.exif_transpose(image)
    except MemoryError:
        raise
    except Exception as error:  # of any kind, as in `_opened`
        raise ValueError(f"{name}: not an image that is whole: {error}") from error
    if mode in _WIDE:
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"{name}: values {values.min()} to {values.max()} are not 16-bit")
        return values.astype(np.uint16)
    if mode in ("F", "RGBA"):
        return np.asarray(image)
    return pillow_pixels(image, mode not in ("1", "L", "LA"), name)


def _load_mask(file: str | os.PathLike[str] | IO[bytes], colours: bool) -> np.ndarray:
    with _opened(file) as image:
        if image.format == "JPEG":
            raise ValueError(
                f"{file_name(file)}: JPEG changes the labels of a mask; save it as PNG"
            )
        if image.mode in ("1", "L", *_WIDE) or (image.mode == "P" and not colours):
            return np.asarray(image)
        return np.asarray(image)[..., 0] if image.mode == "LA" else np.asarray(image.convert("RGB"))


@contextlib.contextmanager
def _opened(
    file: str | os.PathLike[str] | IO[bytes], name: str | None = None
) -> Iterator[Image.Image]:
    """A picture with all its pixels read, so that one cut short fails here."""
    with contextlib.ExitStack() as stack:
        try:
            image = stack.enter_context(Image.open(file))
            image.load()
        except (FileNotFoundError, IsADirectoryError, MemoryError, PermissionError):
            raise
        except Exception as error:  # damaged bytes lead Pillow's decoders to errors of any kind
            raise ValueError(
                f"{name or file_name(file)}: not an image that is whole: {error}"
            ) from error
        yield image


def _load_array(path: Path) -> np.ndarray:
    try:
        pixels: np.ndarray = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path}: not a .npy file of plain numbers: {error}") from error
    return pixels


def needs_tifffile(path: Path) -> bool:
    """Whether Pillow cannot read all channels of a TIFF."""
    try:
        with Image.open(path) as image:
            tags = getattr(image, "tag_v2", {})  # the suffix may lie
            bits, samples = tags.get(_BITS_PER_SAMPLE, (8,)), tags.get(_SAMPLES_PER_PIXEL, 1)
    except (UnidentifiedImageError, SyntaxError):
        # Pillow knows TIFF by the layouts it can decode.
        with path.open("rb") as file:
            return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    except Image.DecompressionBombError:
        return False  # which says so when it is read
    return bool(samples > 4 or (samples > 1 and max(bits) > 8))


def _load_tiff(path: Path) -> np.ndarray:
    try:
        import tifffile
    except ImportError as error:
        raise CaffeError(
            f"{path}: Pillow cannot read this TIFF; unless it is damaged, its channels need "
            f"pip install 'keras-fcn[tiff]', or save it as .npy"
        ) from error
    require_plain(path)
    try:
        with tifffile.TiffFile(path) as file:
            pixels, axes = file.pages[0].asarray(), file.pages[0].axes
    except (ValueError, LookupError, struct.error, tifffile.TiffFileError) as error:
        raise ValueError(f"{path}: not a TIFF image that is whole: {error}") from error
    return np.moveaxis(pixels, 0, -1) if axes == "SYX" else pixels
