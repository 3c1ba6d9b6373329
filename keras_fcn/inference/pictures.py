"""Pictures in every form that users have them in, one after the other."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from keras_fcn.caffe.errors import CaffeWarning
from keras_fcn.inference.ordered import taken_ahead
from keras_fcn.preprocessing.files import is_one_file, picture_files
from keras_fcn.preprocessing.images import fit_channels
from keras_fcn.preprocessing.reading import read_encoded, read_image, read_pillow
from keras_fcn.preprocessing.tiff_pages import lost_in_memory
from keras_fcn.preprocessing.videos import Frame, frames, is_video

__all__ = [
    "Picture",
    "is_one",
    "of_bytes",
    "of_files",
    "of_pixels",
    "pictures",
    "read_input",
    "read_one",
    "told",
]

_FORMS = (
    "a file, a folder, a pattern such as 'photos/*.jpg', a .txt list of files, a video, a Pillow "
    "image, pixels (H, W, channels) or (H, W), a batch (N, H, W, channels), or several of these"
)


class Picture(NamedTuple):
    """A picture that is not read yet.

    Attributes:
        name: its file, or `"picture 3"`, counted from 0; `""` for one that is given alone.
        read: the pixels, of as many channels as a network takes.
        frame: which frame of a video it is; None for others.
    """

    name: str
    read: Callable[[int], np.ndarray]
    frame: Frame | None = None


def is_one(images: Any) -> bool:
    """Whether one picture is meant: a file, a Pillow image or an array of two or three axes."""
    if isinstance(images, str | os.PathLike):
        return is_one_file(images) and not is_video(images)
    if isinstance(images, Image.Image):
        return True
    return hasattr(images, "__array__") and len(np.shape(images)) in (2, 3)


def pictures(images: Any) -> Iterator[Picture]:
    """The pictures that are meant, in order; what several forms hold follows in its place.

    Args:
        images: a file; a folder, whose pictures are sorted by name; a pattern, sorted too; a
            `.txt` file with a picture's file on each line, relative to its folder; a video or an
            animated picture, whose frames come in order; a Pillow image; an array; or a list, a
            generator or any other iterable of these.

    Raises:
        ValueError: something else, or a folder or pattern without pictures.
    """
    alone = is_one(images)
    for index, image in enumerate(_each(images)):
        yield _picture(image, "" if alone else f"picture {index}")


def read_one(image: Any, channels: int) -> np.ndarray:
    """The pixels of one picture in any form.

    Args:
        image: a file, a Pillow image, or pixels, which are taken as they are.
        channels: how many a network takes.

    Raises:
        ValueError: several pictures, or one that cannot be read or has other channels.
        OSError: there is no such file.
    """
    if isinstance(image, np.ndarray):
        return image
    if not is_one(image):
        raise ValueError(
            "predict takes one picture: a file, a Pillow image or pixels (H, W, channels) or "
            "(H, W); classify, segment, detect, keypoints and embed take several. "
            f"Received: {_named(image)}"
        )
    (picture,) = pictures(image)
    return told(picture).read(channels)


def told(picture: Picture) -> Picture:
    """The picture of a map, after a warning where its file tells more than maps in memory do."""
    lost = lost_in_memory(picture.name)
    if lost is not None:
        warnings.warn(lost, CaffeWarning, stacklevel=4)
    return picture


def _named(image: Any) -> str:
    return repr(str(image)) if isinstance(image, str | os.PathLike) else type(image).__name__


def read_input(path: str | Path, channels: int) -> np.ndarray:
    """An image file as training and evaluation read it, with a network's channels.

    Args:
        path: a picture, a TIFF of many bands, or a `.npy`; see
            `keras_fcn.preprocessing.reading.read_image`.
        channels: how many the network takes; grey is repeated for three, colours become
            luma for one, alpha or a fourth band is left out for three.

    Returns:
        (H, W, channels): uint8 0..255, or float32 0..1.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not an image, or has other channels; the message names it.
    """
    try:
        image = read_image(Path(path))
    except ValueError as error:
        raise ValueError(f"Cannot read an image: {error}") from error
    try:
        return fit_channels(image, channels)
    except ValueError as error:
        raise ValueError(
            f"{path} has {image.shape[-1]} channels, the network takes {channels}"
        ) from error


def _each(images: Any) -> Iterator[Any]:
    """Paths, frames, Pillow images and arrays of at most three axes."""
    if isinstance(images, str | os.PathLike):
        yield from of_files(picture_files(images))
    elif isinstance(images, Image.Image | Picture):
        yield images
    elif hasattr(images, "__array__"):
        array = np.asarray(images)
        if array.ndim not in (2, 3, 4):
            raise ValueError(f"pictures are {_FORMS}. Received: an array of shape {array.shape}")
        yield from array if array.ndim == 4 else [array]
    elif isinstance(images, Iterable) and not isinstance(images, bytes | Mapping):
        for image in images:
            yield from _each(image)
    else:
        raise ValueError(f"pictures are {_FORMS}. Received: {type(images).__name__}")


def of_files(files: Iterable[Path]) -> Iterator[Picture]:
    """The pictures in files that are known to be meant, of which some may not be there."""
    for file in files:
        yield from _frames(file) if is_video(file) else [_picture(file, "")]


def of_bytes(data: bytes, name: str = "") -> Picture:
    """The picture in an encoded file, which is decoded when it is read."""

    def read(channels: int) -> np.ndarray:
        return fit_channels(read_encoded(data, name or "the picture"), channels)

    return Picture(name, read)


def of_pixels(pixels: np.ndarray, name: str = "") -> Picture:
    """The picture of an array (H, W, channels) or (H, W); of others one that cannot be read."""
    if pixels.ndim not in (2, 3):
        told = ValueError(f"pictures are {_FORMS}. Received: an array of shape {pixels.shape}")
        return Picture(name, partial(_raise, told))
    return _picture(pixels, name)


def _frames(file: Path) -> Iterator[Picture]:
    """The frames of a video, and where it is damaged a picture that cannot be read."""
    try:
        for frame, pixels in taken_ahead(frames(file)):
            yield Picture(frame.name, partial(_fitted, pixels, frame.name), frame)
    except (OSError, ValueError) as error:
        yield Picture(str(file), partial(_raise, error))


def _fitted(pixels: np.ndarray, name: str, channels: int) -> np.ndarray:
    try:
        return fit_channels(pixels, channels)
    except ValueError as error:
        raise ValueError(
            f"{name} has {pixels.shape[-1]} channels, the network takes {channels}"
        ) from error


def _picture(image: Any, name: str) -> Picture:
    if isinstance(image, Picture):
        return image
    if isinstance(image, str | os.PathLike):
        path = os.fspath(image)
        return Picture(path, lambda channels: read_input(path, channels))
    if isinstance(image, Image.Image):
        name = str(getattr(image, "filename", "") or name)
        return Picture(name, _read_now(image, name))
    pixels = np.array(image)  # whoever makes frames may use the same memory for the next one
    return Picture(name, lambda _: pixels)


def _read_now(image: Image.Image, name: str) -> Callable[[int], np.ndarray]:
    """The pixels of a Pillow image as it is now: frames of an animation are one object in turn."""
    try:
        pixels = read_pillow(image, name)
    except ValueError as error:
        return partial(_raise, error)
    return lambda channels: fit_channels(pixels, channels)


def _raise(error: Exception, _: int) -> np.ndarray:
    raise error
