"""TIFF and GeoTIFF through rasterio, a window at a time."""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.io.files import atomic_path
from keras_fcn.caffe.limits import shown
from keras_fcn.preprocessing.tiff_pages import require_plain
from keras_fcn.rasters.source import Place, Source, Window

__all__ = ["GeoTiff", "write_geotiff"]

_CACHE = 32 << 20
"""Bytes of decoded blocks that GDAL keeps."""
_MOST_BLOCK = 256 << 20
_LEAST_BITS = 8
_SIDE = 256
"""Rows and columns of the blocks that are written."""


class GeoTiff(Source):
    """A TIFF of one image, stored upright, its values as GDAL gives them.

    A pixel holds no value where the file says so: by a mask, by alpha, or by its value for no
    data, in all the bands that are read if these are of 8 bits, where that value may be a colour,
    else in one of them.

    Raises:
        CaffeError: rasterio is not installed.
        OSError: the file cannot be read.
        ValueError: it is no TIFF, holds several images, has a palette or colours that are not RGB,
            or blocks too large to be read one at a time.
    """

    def __init__(self, path: Path) -> None:
        rasterio = _rasterio(path)
        self.path = path
        path.open("rb").close()  # tells what is missing or may not be read; and it is no address
        try:
            with _gdal(), _quiet():
                self._file = rasterio.open(path.resolve(), driver="GTiff")
        except rasterio.errors.RasterioError as error:
            raise ValueError(f"{path}: not a TIFF image: {error}") from error
        file = self._file
        require_plain(path)
        _require_plain_values(file, path)
        self.size, self.dtype = (file.height, file.width), np.dtype(file.dtypes[0])
        self.names = tuple(name or "" for name in file.descriptions)
        kinds = rasterio.enums.ColorInterp
        if kinds.palette in file.colorinterp:
            raise ValueError(
                f"{path}: its values stand for the colours of a palette; save it as RGB"
            )
        if kinds.alpha in file.colorinterp:
            self.alpha = file.colorinterp.index(kinds.alpha)
        if len(set(file.dtypes)) > 1:
            raise ValueError(f"{path}: its bands are of several types: {', '.join(file.dtypes)}")
        whole = rasterio.enums.MaskFlags.all_valid
        self.has_holes = any(whole not in flags for flags in file.mask_flag_enums)
        self.place = _place(file, rasterio)
        self._require_small_blocks()

    def read(self, bands: Sequence[int], rows: slice, columns: slice) -> Window:
        from rasterio.errors import RasterioError
        from rasterio.windows import Window as Part

        part = Part.from_slices(rows, columns)
        numbers = [band + 1 for band in bands]
        try:
            with _gdal():
                pixels = self._file.read(numbers, window=part)
                masks = self._file.read_masks(numbers, window=part) if self.has_holes else None
        except RasterioError as error:
            reason = error.__cause__ or error
            raise ValueError(f"{self.path}: not a TIFF image that is whole: {reason}") from error
        valid = None
        if masks is not None:
            valid = (masks != 0).any(0) if self.dtype == np.uint8 else (masks != 0).all(0)
        return Window(np.moveaxis(pixels, 0, -1), valid)

    def _require_small_blocks(self) -> None:
        rows, columns = self._file.block_shapes[0]
        bands = 1 if self._file.interleaving.name == "band" else len(self.names)
        size = rows * columns * bands * self.dtype.itemsize
        if size > _MOST_BLOCK:
            raise ValueError(
                f"{self.path} is stored in blocks of {rows} x {columns} pixels, "
                f"{shown(size)}, of which no part is read alone; at most {shown(_MOST_BLOCK)} are "
                "taken. "
                "Store it in tiles: gdal_translate -co TILED=YES"
            )


def write_geotiff(
    path: Path,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    read: Callable[[slice, slice], np.ndarray],
    place: Place | None = None,
    nodata: float | None = None,
    note: Mapping[str, Any] | None = None,
) -> None:
    """Write an array as a tiled GeoTIFF, block by block.

    Args:
        path: the file, which appears when it is whole.
        shape: (rows, columns) or (rows, columns, bands).
        dtype: of the values.
        read: gives some rows and columns of them.
        place: where it lies on the earth.
        nodata: the value for no data.
        note: what the file tells of itself, as JSON in its description.

    Raises:
        CaffeError: rasterio is not installed, or the file cannot be written.
    """
    rasterio = _rasterio(path)
    height, width, count = (*shape, 1)[:3]
    profile: dict[str, Any] = {"dtype": dtype.name, "nodata": nodata}
    profile |= {"tiled": True, "blockxsize": _SIDE, "blockysize": _SIDE, "interleave": "band"}
    profile |= {"driver": "GTiff", "height": height, "width": width, "count": count}
    if dtype.kind != "f":
        profile["compress"] = "deflate"
    profile["BIGTIFF"] = "IF_SAFER"
    if place is not None:
        profile |= {"crs": place.crs, "transform": place.transform}
    with atomic_path(path) as temporary:
        try:
            with _gdal(), _quiet(), rasterio.open(temporary.resolve(), "w", **profile) as file:
                if note is not None:
                    file.update_tags(TIFFTAG_IMAGEDESCRIPTION=json.dumps(note))
                for _, window in file.block_windows(1):
                    rows, columns = window.toslices()
                    part = read(rows, columns).reshape(window.height, window.width, count)
                    file.write(np.moveaxis(part, -1, 0), window=window)
        except rasterio.errors.RasterioError as error:
            raise CaffeError(f"cannot write {path}: {error.__cause__ or error}") from error
        _require_written(path, temporary, read, count)


def _require_written(
    path: Path, written: Path, read: Callable[[slice, slice], np.ndarray], count: int
) -> None:
    """Require that each block reads as it was given: GDAL hides what fails as it closes a file."""
    import rasterio

    same = True
    with written.open("rb") as raw:
        os.fsync(raw.fileno())
    try:
        with _gdal(), _quiet(), rasterio.open(written.resolve()) as file:
            for _, window in file.block_windows(1):
                part = read(*window.toslices()).reshape(window.height, window.width, count)
                found = np.moveaxis(file.read(window=window), 0, -1)
                same = same and found.tobytes() == part.tobytes()
    except rasterio.errors.RasterioError:
        same = False
    if not same:
        raise CaffeError(
            f"cannot write {path}: what was written does not read back whole, as on a full disk"
        )


def _rasterio(path: Path) -> Any:
    try:
        import rasterio
        import rasterio.enums
        import rasterio.errors
        import rasterio.windows
    except ImportError as error:
        raise CaffeError(
            f"{path}: windows of TIFF files need pip install 'keras-fcn[geo]'; .npy files do not"
        ) from error
    return rasterio


def _gdal() -> Any:
    """GDAL with a small cache."""
    import rasterio

    return rasterio.Env(GDAL_CACHEMAX=_CACHE)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without rasterio's warning of images that lie nowhere; not for threads."""
    from rasterio.errors import NotGeoreferencedWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def _require_plain_values(file: Any, path: Path) -> None:
    """Require values that mean what they mean where Pillow reads the whole file."""
    told = file.tags(ns="IMAGE_STRUCTURE")
    space = told.get("SOURCE_COLOR_SPACE")
    # Those of JPEG are turned into RGB as it is decoded.
    if space is not None and "JPEG" not in told.get("COMPRESSION", ""):
        raise ValueError(f"{path}: its colours are {space}, and RGB is read; save it as RGB")
    if "MINISWHITE" in told:
        raise ValueError(f"{path}: its white is 0; save it with black as 0")
    bits = int(file.tags(1, ns="IMAGE_STRUCTURE").get("NBITS", _LEAST_BITS))
    if bits < _LEAST_BITS:
        raise ValueError(f"{path}: its values have {bits} bits; save it with 8")


def _place(file: Any, rasterio: Any) -> Place | None:
    if file.crs is None and file.transform == rasterio.Affine.identity():
        return None
    return Place(file.crs, file.transform)
