"""Files of images, by their kinds."""

from __future__ import annotations

import os
from pathlib import Path

from keras_fcn.rasters.arrays import NpyImage, Picture
from keras_fcn.rasters.geotiff import GeoTiff
from keras_fcn.rasters.source import Source

__all__ = ["open_source"]


def open_source(path: str | os.PathLike[str]) -> Source:
    """The image in a file, by its ending: `.tif` and `.tiff`, `.npy`, or a picture.

    Raises:
        CaffeError: it needs rasterio, which is not installed.
        OSError: the file cannot be read.
        ValueError: it is no such image.
    """
    path = Path(path)
    if path.suffix.lower() in (".tif", ".tiff"):
        return GeoTiff(path)
    return NpyImage(path) if path.suffix.lower() == ".npy" else Picture(path)
