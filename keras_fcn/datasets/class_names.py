"""Where the classes of whole images have their names from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from keras_fcn.caffe.words import either
from keras_fcn.datasets.classification import ClassNames, Told, class_labels
from keras_fcn.datasets.folders import DESCRIPTION, label_map
from keras_fcn.datasets.labels import LabelMap
from keras_fcn.preprocessing.labels import numbered_classes

__all__ = ["named_classes"]

_MOST_NUMBERED = 100_000


def named_classes(
    path: Path, classes: ClassNames | None, found: Callable[[], Iterable[tuple[str, int]]]
) -> tuple[LabelMap, Told]:
    """The labels of a data set, and what tells its classes.

    Args:
        path: of the data; `dataset.json` may be beside it.
        classes: what is told.
        found: gives name and label of each image, where nothing else tells the classes.

    Raises:
        ValueError: there are no labels, or one that is too high for a number of classes.
    """
    if classes is not None:
        return class_labels(classes), "count" if isinstance(classes, int) else "names"
    folder = path.parent
    if (folder / DESCRIPTION).is_file():
        return class_labels(label_map(folder, None).classes), "names"
    highest = max(((number, name) for name, number in found() if number >= 0), default=None)
    if highest is None:
        raise ValueError(
            f"{path}: no image has a label, a number from 0 on; masks are in files, or a database, "
            "of their own"
        )
    number, name = highest
    if number >= _MOST_NUMBERED:
        raise ValueError(
            f"{name}: label {number} is no class, or there are as many; give "
            f"{either('`classes`', '--labels or --classes')}, their names or how many there are"
        )
    return class_labels(numbered_classes(number + 1)), "labels"
