"""Printed and written results of maps of class scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_fcn.caffe.io.files import atomic_write
from keras_fcn.cli.classify import row
from keras_fcn.inference.decoding import MapPrediction, decode_predictions
from keras_fcn.inference.optimized import structure_of
from keras_fcn.inference.structure import positions_of
from keras_fcn.visualize import class_map_picture, save_png

if TYPE_CHECKING:
    import keras


def shown_class(scores: np.ndarray, names: Sequence[str], wanted: int | None) -> int:
    """The wanted class of a map (rows, columns, classes), or its best one."""
    if wanted is not None:
        return wanted
    return decode_predictions(scores[np.newaxis], top=1, classes=names)[0][0].class_index


def class_lines(
    scores: np.ndarray, best: Sequence[MapPrediction], shown: int, name: str
) -> list[str]:
    """The best classes of a map of one cell, and the one that is shown."""
    lines = [row(x.score, x.class_index, x.name) for x in best]
    if shown not in [x.class_index for x in best]:
        lines.append(row(scores[0, 0, shown], shown, name))
    return lines


def map_lines(scores: np.ndarray, name: str, index: int) -> list[str]:
    """The size of a map (rows, columns, classes), and where a class is highest."""
    cells = scores[..., index]
    place = np.unravel_index(cells.argmax(), cells.shape)
    return [
        "  map of {}x{} cells, {} classes".format(*scores.shape),
        "{}, highest at row {}, column {}".format(row(cells.max(), index, name), *place),
    ]


def write_map(scores: np.ndarray, path: Path) -> Path:
    """Write the index of the best class of each cell as `.npy`, int32."""
    with atomic_write(path) as file:
        np.save(file, scores.argmax(axis=-1).astype(np.int32))
    return path


def write_heat_map(
    model: keras.Model, seen: np.ndarray, scores: np.ndarray, name: str, path: Path
) -> Path:
    """Write the picture of a class over an image.

    Args:
        model: the network, which says where the cells of its map lie.
        seen: the image as the network saw it, RGB, 0..1.
        scores: the class's scores, (rows, columns).
        name: the class.
        path: a PNG.
    """
    each_pixel = scores.shape == seen.shape[:2]
    own = None if each_pixel else positions_of(structure_of(model))
    picture = class_map_picture(
        seen,
        scores[..., np.newaxis],
        classes=(name,),
        stride=own.stride if own else None,
        offset=own.offset if own else 0.0,
    )
    save_png(path, picture)
    return path
