"""Frames of videos and of animated pictures, one after the other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.preprocessing.reading import needs_tifffile, read_pillow
from keras_fcn.preprocessing.tiff_pages import picture_pages

__all__ = ["Frame", "frames", "is_video"]

_VIDEOS = frozenset(
    {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv"}
)
_ANIMATED = frozenset({".apng", ".gif", ".tif", ".tiff", ".webp"})
_DAMAGED = (EOFError, OSError, SyntaxError, ValueError, Image.DecompressionBombError)


class Frame(NamedTuple):
    """A frame of a video.

    Attributes:
        file: the video.
        number: counted from 0.
        time: seconds from the video's start.
    """

    file: str
    number: int
    time: float

    @property
    def name(self) -> str:
        """Name of the frame, as files of its own would have it."""
        path = Path(self.file)
        return str(path.with_name(f"{path.stem}_{self.number:06}{path.suffix}"))


def is_video(path: str | os.PathLike[str]) -> bool:
    """Whether a path means frames: a video, by its ending, or a picture that holds several.

    Smaller forms of a TIFF's picture, and its mask, are no pictures.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in _VIDEOS:
        return True
    if suffix not in _ANIMATED or not path.is_file():
        return False
    try:
        with Image.open(path) as image:
            several = len(_numbers(image, path)) > 1
    except (*_DAMAGED, UnidentifiedImageError):
        return False
    return several and not (suffix.startswith(".tif") and needs_tifffile(path))


def _numbers(image: Image.Image, path: Path) -> Sequence[int]:
    """Which frames of an opened file are pictures."""
    return picture_pages(path) or range(getattr(image, "n_frames", 1))


def frames(path: str | os.PathLike[str]) -> Iterator[tuple[Frame, np.ndarray]]:
    """The frames of a video or of an animated picture, in order; one is held at a time.

    Animated GIF and WebP, and TIFF of several pages, are read by Pillow; videos by PyAV, turned as
    they say that they are shown.

    Args:
        path: a file.

    Yields:
        A frame, and its pixels, uint8 (H, W, channels), RGB where there are three.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged; frames before the damage have come.
        CaffeError: PyAV is not installed.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"{path}: no such file")
    read = _pillow_frames if Path(path).suffix.lower() in _ANIMATED else _video_frames
    number = 0
    try:
        for time, pixels in read(Path(path)):
            yield Frame(os.fspath(path), number, time), pixels
            number += 1
    except _DAMAGED as error:
        raise ValueError(f"{path}: damaged after {number} frames: {error}") from error


def _pillow_frames(path: Path) -> Iterator[tuple[float, np.ndarray]]:
    with Image.open(path) as image:
        time = 0.0
        for number in _numbers(image, path):
            image.seek(number)
            yield time, read_pillow(image, f"frame {number}")
            time += image.info.get("duration", 0) / 1000


def _video_frames(path: Path) -> Iterator[tuple[float, np.ndarray]]:
    try:
        import av
    except ImportError as error:
        raise CaffeError(f"{path}: videos need pip install 'keras-fcn[video]'") from error
    with av.open(str(path)) as video:
        if not video.streams.video:
            raise ValueError("there are no pictures in it")
        stream, packets = video.streams.video[0], 0
        start = None
        for packet in video.demux(stream):
            packets += packet.size > 0
            for frame in packet.decode():
                time = frame.time or 0.0
                start = time if start is None else start
                yield time - start, _turned(frame)
        if packets < stream.frames:  # a file that is cut short ends without an error
            raise ValueError(f"it has {packets} of {stream.frames} frames")


def _turned(frame: Any) -> np.ndarray:
    """Pixels of a frame as it is shown: telephones store how they were held."""
    quarters = round(getattr(frame, "rotation", 0) / 90)
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), quarters))
