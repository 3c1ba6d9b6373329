"""Printed and written results of `keras-fcn predict`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_fcn.caffe.io.files import atomic_write
from keras_fcn.cli.flags import flag
from keras_fcn.graph.receptive_fields import output_field
from keras_fcn.inference.decoding import decode_detections, decode_predictions
from keras_fcn.visualize import class_map_picture, save_png

if TYPE_CHECKING:
    import keras

_TOP = 5


def print_classes(scores: np.ndarray, names: Sequence[str], wanted: int | None) -> None:
    """Print the best classes of `scores`, `(classes,)`, and the wanted one."""
    best = decode_predictions(scores[np.newaxis], top=_TOP, classes=names)[0]
    indices = [row.class_index for row in best]
    if wanted is not None and wanted not in indices:
        indices.append(wanted)
    for index in indices:
        print(_row(scores[index], index, names[index]))


def print_map(scores: np.ndarray, names: Sequence[str], wanted: int | None) -> int:
    """Print the size of a map `(rows, columns, classes)` and its best class, or the wanted one.

    Returns:
        The index of that class.
    """
    if wanted is None:
        wanted = decode_predictions(scores[np.newaxis], top=1, classes=names)[0][0].class_index
    cells = scores[..., wanted]
    row, column = np.unravel_index(cells.argmax(), cells.shape)
    print("  map of {}x{} cells, {} classes".format(*scores.shape))
    print(f"{_row(cells.max(), wanted, names[wanted])}, highest at row {row}, column {column}")
    return wanted


def print_detections(rows: np.ndarray, names: Sequence[str] | None, size: tuple[int, ...]) -> None:
    """Print what was found, best first: score, class, and the box in pixels of the image.

    Args:
        rows: (detections, 7 or more), of DetectionOutput.
        names: of the classes, background included; None for numbers.
        size: (height, width) of the image.

    Raises:
        ValueError: there are fewer names than classes.
    """
    found = decode_detections(rows, size, names, option=flag)
    if not found:
        print("  nothing found")
    for index, name, score, left, top, right, bottom in found:
        place = f"columns {left:.0f} to {right:.0f}, rows {top:.0f} to {bottom:.0f}"
        print(f"{_row(score, index, name)}, {place}")


def _row(score: float, index: int, name: str) -> str:
    return f"  {score:.4f}  {index:4}  {name}"


def write_map(scores: np.ndarray, path: Path) -> None:
    """Write the index of the best class of each cell as `.npy`, int32."""
    with atomic_write(path) as file:
        np.save(file, scores.argmax(axis=-1).astype(np.int32))
    print(f"wrote {path}")


def write_heat_map(
    model: keras.Model, seen: np.ndarray, scores: np.ndarray, name: str, path: Path
) -> None:
    """Write the picture of a class over an image.

    Args:
        model: the network, which says where the cells of its map lie.
        seen: the image as the network saw it, RGB, 0..1.
        scores: the class's scores, (rows, columns).
        name: the class.
        path: a PNG.
    """
    field = output_field(model)
    picture = class_map_picture(
        seen,
        scores[..., np.newaxis],
        classes=(name,),
        stride=field.stride if field else None,
        offset=field.offset if field else 0.0,
    )
    save_png(path, picture)
    print(f"wrote {path}")
