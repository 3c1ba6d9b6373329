"""An image on the disk, of which windows are read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_fcn.caffe.words import argument, either, quoted
from keras_fcn.preprocessing.images import fit_channels

__all__ = ["Band", "Picked", "Place", "Source", "Window"]

Band = int | str
"""A band's number, counted from 1, or its name."""


class Window(NamedTuple):
    """A part of an image.

    Attributes:
        pixels: (rows, columns, channels), uint8 0..255 or float32 0..1.
        valid: whether each pixel holds a value, (rows, columns); None where all do.
    """

    pixels: np.ndarray
    valid: np.ndarray | None


class Place(NamedTuple):
    """Where an image lies on the earth, as rasterio tells it.

    Attributes:
        crs: the coordinates' system; None where it is not told.
        transform: from (column, row) of pixels' corners to coordinates.
    """

    crs: Any
    transform: Any

    def of_map(self, offset: Sequence[float], stride: Sequence[float]) -> Place:
        """The place of a map of the image.

        Args:
            offset: the row and column of the image's pixel at the centre of position (0, 0).
            stride: rows and columns from one position to the next.
        """
        (row, column), (down, across) = offset, stride
        left, top = column + (1 - across) / 2, row + (1 - down) / 2
        a, b, c, d, e, f = self.transform[:6]
        corner = (a * left + b * top + c, d * left + e * top + f)
        rows = ((a * across, b * down, corner[0]), (d * across, e * down, corner[1]))
        return Place(self.crs, type(self.transform)(*rows[0], *rows[1]))


class Source(ABC):
    """A file's image as it is stored.

    Attributes:
        path: the file.
        size: (height, width).
        names: of each band; `""` for none.
        dtype: of the values.
        alpha: the band that tells what is seen, counted from 0; None for none.
        place: where it lies on the earth; None where it is not told.
        has_holes: whether some pixels may hold no value.
    """

    path: Path
    size: tuple[int, int]
    names: tuple[str, ...]
    dtype: np.dtype[Any]
    alpha: int | None = None
    place: Place | None = None
    has_holes: bool = False

    @abstractmethod
    def read(self, bands: Sequence[int], rows: slice, columns: slice) -> Window:
        """Bands, counted from 0, of a window within the image; values as they are stored."""


class Picked:
    """Windows of some bands of an image, as a network's preprocessing takes them.

    Args:
        source: the image.
        channels: how many the network takes.
        bands: which ones, in the order of red, green and blue; None where the image has as many
            as the network takes. Grey is repeated for three channels, colours become luma for
            one, and alpha is left out.
        value_range: the values of black and of white, between which others are put; None for
            uint8, 0..255, and for floats 0..1.

    Raises:
        ValueError: the bands or values are others than the network takes, and nobody says which
            or how.
    """

    def __init__(
        self,
        source: Source,
        channels: int,
        bands: Sequence[Band] | None = None,
        value_range: tuple[float, float] | None = None,
    ) -> None:
        self.source = source
        self.channels = channels
        self.bands = _default(source, channels) if bands is None else _found(source, bands)
        if bands is not None and len(self.bands) != channels:
            raise ValueError(
                f"{source.path}: the network takes {channels} bands. Received: {_told_bands(bands)}"
            )
        self._range = _checked_range(source, value_range)

    def read(self, rows: slice, columns: slice) -> Window:
        """A window within the image.

        Raises:
            ValueError: a value is NaN or infinite where the file does not declare it as missing.
        """
        pixels, valid = self.source.read(self.bands, rows, columns)
        if pixels.dtype.kind == "f":
            pixels = self._finite(pixels.astype(np.float32, copy=False), valid, rows, columns)
        if self._range is not None:
            low, high = map(np.float32, self._range)
            pixels = np.clip((pixels.astype(np.float32) - low) / (high - low), 0, 1)
        return Window(fit_channels(pixels, self.channels), valid)

    def _finite(
        self, pixels: np.ndarray, valid: np.ndarray | None, rows: slice, columns: slice
    ) -> np.ndarray:
        bad = ~np.isfinite(pixels).all(axis=-1)
        if valid is not None:
            bad &= valid
            pixels = np.where(valid[..., np.newaxis], pixels, np.float32(0))
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise ValueError(
                f"{self.source.path}: pixel ({rows.start + row}, {columns.start + column}) is NaN "
                "or infinite, and the file does not declare that as no data"
            )
        return pixels


def _default(source: Source, channels: int) -> tuple[int, ...]:
    seen = tuple(band for band in range(len(source.names)) if band != source.alpha)
    if len(seen) in (1, channels) or (len(seen), channels) == (3, 1):
        return seen
    numbers = [band + 1 for band in seen[:channels][::-1]]
    numbers += numbers[-1:] * (channels - len(numbers))  # a band may be given twice
    example = ",".join(map(str, numbers))
    how = either(f"bands=({example})", f"--bands {example}")
    raise ValueError(
        f"{source.path} has {len(seen)} bands{_listed(source)}, the network takes {channels}; "
        f"tell which, in the order of red, green and blue, such as {how}"
    )


def _found(source: Source, bands: Sequence[Band]) -> tuple[int, ...]:
    found = []
    for band in bands:
        is_number = isinstance(band, Integral) and not isinstance(band, bool)
        if is_number and 1 <= int(band) <= len(source.names):
            found.append(int(band) - 1)
        elif isinstance(band, str) and source.names.count(band) == 1:
            found.append(source.names.index(band))
        else:
            raise ValueError(
                f"{source.path} has bands 1 to {len(source.names)}{_listed(source)}. "
                f"Received: {argument('bands')} with {_plain(band)!r}"
            )
    return tuple(found)


def _listed(source: Source) -> str:
    names = [name for name in source.names if name]
    return f" ({', '.join(names)})" if names else ""


def _told_bands(bands: Sequence[Band]) -> str:
    plain = tuple(map(_plain, bands))
    return either(f"bands={plain}", f"--bands {','.join(map(str, plain))}")


def _plain(band: Any) -> Any:
    """A band as Python writes it; NumPy's numbers write their type too."""
    return band.item() if isinstance(band, np.generic) else band


def _checked_range(
    source: Source, value_range: tuple[float, float] | None
) -> tuple[float, float] | None:
    if source.dtype.kind not in "uif":
        raise ValueError(f"{source.path} holds {source.dtype}, not integers or floats")
    if value_range is None:
        if source.dtype == np.uint8 or source.dtype.kind == "f":
            return None
        how = either("value_range=(0, 10000)", "--value-range 0,10000")
        raise ValueError(
            f"{source.path} holds {source.dtype}; tell which values are black and white, such as "
            f"{how}"
        )
    try:
        low, high = map(float, value_range)
    except (TypeError, ValueError, OverflowError):
        low = high = np.nan
    with np.errstate(over="ignore", invalid="ignore"):
        black, white = np.float32(low), np.float32(high)
        usable = black < white and np.isfinite(white - black)
    if not usable:
        received: Any = value_range
        if isinstance(value_range, Sequence) and not isinstance(value_range, str):
            received = ", ".join(map(str, value_range))
        raise ValueError(
            f"{quoted('value_range')} must be two numbers, the finite values of black and of "
            f"white, which is larger, also as float32. Received: {received}"
        )
    return low, high
