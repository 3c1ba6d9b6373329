"""Maps of images that are larger than memory: from a file to a file, tile by tile."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keras_fcn.inference.blending import blend_of
from keras_fcn.inference.exact_tiles import Tile
from keras_fcn.inference.file_work import FileWork, MapFile, Progress
from keras_fcn.inference.prediction import require_one_image
from keras_fcn.inference.segmentation import require_map
from keras_fcn.inference.tasks import find_task, wrong_task
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.rasters.source import Band

if TYPE_CHECKING:
    import keras

__all__ = ["MapFile", "predict_file", "segment_file"]


def segment_file(
    model: keras.Model,
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    tile: Tile = "auto",
    bands: Sequence[Band] | None = None,
    value_range: tuple[float, float] | None = None,
    preprocessing: Preprocessing | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    approximate: bool = False,
    overlap: int | None = None,
) -> MapFile:
    """Label each pixel of an image on the disk, in the memory of a tile.

    The labels are those that `keras_fcn.segment` gives for the image as a whole, within rounding of
    the scores. A GeoTIFF keeps its coordinates. Where the image has no data, the network is given
    zeros, as it is where it pads, and the label is the largest number of its type, which the file
    declares as no data.

    Until all is done, `.NAME.part` beside the destination holds the labels so far, and
    `.NAME.part.jsonl` what is done; a run that was stopped goes on from there with `resume`.

    Args:
        model: a network whose output is a map of class scores, or of labels.
        source: a TIFF or GeoTIFF, whose windows are read by rasterio (`keras-fcn[geo]`); a `.npy`
            (H, W, bands) or (H, W); or a picture, which is read as a whole.
        destination: a `.tif`, tiled and compressed, or a `.npy`: (H, W), uint8, or uint16 for more
            than 255 classes. It appears when it is whole.
        tile: the largest (height, width) of what the network is given at once, one number for
            both; or the memory of its maps, such as `"4GB"`; `"auto"` are 2 GiB.
        bands: numbers, counted from 1, or names of the bands that the network is given, in the
            order of red, green and blue; None where the image has as many as the network takes.
        value_range: the values of black and white; those beyond count as these. None for uint8,
            and for floats 0..1.
        preprocessing: how the image is prepared; None for the model's own.
        resume: whether to go on with a run of the same model, image and arguments.
        progress: called with the number of tiles that are done, and of all.
        approximate: whether tiles may be blended where they do not give what the whole image
            gives, see `keras_fcn.predict`. `MapFile.approximation` tells how it was done, and the
            file too: a GeoTIFF in its tags, beside a `.npy` another file, `NAME.npy.note.json`.
            `.NAME.part.maps` holds the maps of the last tiles meanwhile.
        overlap: of these, pixels that neighbours have in common at least, see there.

    Raises:
        CaffeError: rasterio is not installed, or the destination cannot be written.
        ModelError: a layer gives something else on tiles than on the whole image; the error names
            it.
        OSError: the image cannot be read.
        ValueError: the model gives no map, the image or its bands do not suit, the tile is too
            small, or the run to go on with differs.

    Example:
        ```python
        keras_fcn.segment_file(model, "region.tif", "labels.tif", tile="4GB", bands=(4, 3, 2),
                               value_range=(0, 3000))
        ```
    """
    require_map(model)
    ways = (tile, bands, value_range, preprocessing, blend_of(approximate, overlap))
    work = FileWork(model, Path(source), *ways, labels=True)
    return work.into(Path(destination), resume, progress)


def predict_file(
    model: keras.Model,
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    tile: Tile = "auto",
    bands: Sequence[Band] | None = None,
    value_range: tuple[float, float] | None = None,
    preprocessing: Preprocessing | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    approximate: bool = False,
    overlap: int | None = None,
) -> MapFile:
    """The map of an image on the disk, in the memory of a tile.

    It is what `keras_fcn.predict` gives for the image as a whole, within rounding. In a GeoTIFF
    each class is a band, and the coordinates are those of the map's positions. Where the image has
    no data at the centre of a position, all scores are NaN, which the file declares as no data.

    Arguments and errors are those of `segment_file`; the destination is float32 (rows, columns,
    classes).
    """
    require_one_image(model)
    task = find_task(model)
    if task.kind not in ("map", "keypoints"):
        raise wrong_task("map", task, model)
    ways = (tile, bands, value_range, preprocessing, blend_of(approximate, overlap))
    work = FileWork(model, Path(source), *ways, labels=False)
    return work.into(Path(destination), resume, progress)
