"""Images with labels in lists, in folders by class, and in HDF5 files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.datasets.caffe_files import (
    HDF5Row,
    hdf5,
    hdf5_files,
    listed_file,
    require_data_set,
    require_listed,
    require_no_split,
)
from keras_fcn.datasets.class_names import named_classes
from keras_fcn.datasets.classification import ClassificationDataset, ClassNames, class_labels
from keras_fcn.datasets.folders import read_lines
from keras_fcn.datasets.sources import SUFFIXES, ImageFile, Label, Pair
from keras_fcn.preprocessing import Preprocessing

__all__ = [
    "class_folders",
    "load_folder_classes",
    "load_hdf5_classes",
    "load_list_classes",
    "one_label_each",
]


def load_list_classes(
    path: str | Path,
    split: str | None = None,
    classes: ClassNames | None = None,
    *,
    root_folder: str | Path | None = None,
) -> ClassificationDataset:
    """A list of `image label` lines, as Caffe's `ImageData` and `convert_imageset` read it.

    The last space or tab of a line parts the two.

    Args:
        path: the text file.
        split: must be None: a list is one split.
        classes: names in the order of the labels, or how many there are. None for the names in
            `dataset.json` beside the list, or else numbers, as many as the labels say.
        root_folder: what comes before the names, see `load_list`.

    Raises:
        OSError: the list cannot be read.
        ValueError: it is not text, or a label says that there are more classes than can be.
        CaffeError: the list is empty, a line has no label, or none of its files is there.
    """
    path = Path(path)
    require_no_split(split, path)
    lines = [(name, Label(path, name, number)) for name, number in _numbered(path)]
    if not lines:
        raise CaffeError(f"{path} is empty")
    require_listed(path, [name for name, _ in lines], root_folder)
    labels, told = named_classes(
        path, classes, lambda: ((label.name, label.number) for _, label in lines)
    )
    pairs = tuple(
        Pair(name, ImageFile(listed_file(path, name, root_folder)), label) for name, label in lines
    )
    return ClassificationDataset(pairs, labels, str(path), told=told)


def load_folder_classes(
    folder: str | Path, split: str | None = None, classes: ClassNames | None = None
) -> ClassificationDataset:
    """A folder of pictures for each class, which has the folder's name.

    Classes are in the order of their names; names that are numbers, in that of the numbers.

    Args:
        folder: where the folders are.
        split: `"train"`, `"val"`, ...: a folder in it that has them; None for the folder itself.
        classes: names of folders in another order, also of some that are not there.

    Raises:
        OSError: the folder is missing.
        ValueError: it has no folders of pictures, or one that is not in `classes`.
    """
    place = Path(folder) / (split or "")
    there = class_folders(place)
    if not there:
        raise ValueError(
            f"{place}: no folders with pictures ({', '.join(sorted(SUFFIXES))}), one a class"
        )
    names = [path.name for path in there]
    if classes is None:
        held = {path for path in place.iterdir() if path.is_dir() and path.name[0] != "."}
        for path in sorted(held.difference(there)):
            raise ValueError(
                f"{path}: no pictures of this class; remove the folder, or give classes"
            )
        labels = class_labels(names)
    elif isinstance(classes, int):
        if classes != len(names):
            raise ValueError(f"{place} has {len(names)} folders. Received: {classes} classes")
        labels = class_labels(names)
    else:
        labels = class_labels(classes)
    unknown = [name for name in names if name not in labels.classes]
    if unknown:
        raise ValueError(
            f"{place / unknown[0]}: the folder's name must be one of the classes "
            f"{', '.join(labels.classes[:8])}{' ...' if len(labels.classes) > 8 else ''}"
        )
    return ClassificationDataset(
        tuple(
            Pair(
                name := file.relative_to(place).as_posix(),
                ImageFile(file),
                Label(place, name, labels.classes.index(path.name)),
            )
            for path in there
            for file in sorted(path.rglob("*"))
            if file.suffix.lower() in SUFFIXES
        ),
        labels,
        " ".join(filter(None, (str(folder), split))),
    )


def class_folders(folder: Path) -> list[Path]:
    """The folders with pictures in a folder, in the order of their classes.

    Raises:
        OSError: the folder is missing.
    """
    held = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    there = [path for path in held if any(x.suffix.lower() in SUFFIXES for x in path.rglob("*"))]
    numbers = all(path.name.isdecimal() for path in there)
    return sorted(there, key=lambda path: (int(path.name) if numbers else 0, path.name))


def load_hdf5_classes(
    path: str | Path,
    split: str | None = None,
    classes: ClassNames | None = None,
    *,
    data: str = "data",
    label: str = "label",
    preprocessing: Preprocessing | None = None,
) -> ClassificationDataset:
    """HDF5 files as Caffe's `HDF5Data` layer reads them, with a label an image.

    Images are as for `load_hdf5`: floats are fed to the network as they are, uint8 are pictures.
    Labels are whole numbers, `(N,)`, `(N, 1)` or `(N, 1, 1, 1)`.

    Args:
        path: an `.h5` file, or a text file with the names of some.
        split: must be None.
        classes: as for `load_list_classes`.
        data: the dataset of images.
        label: the dataset of labels.
        preprocessing: as for `load_hdf5`.

    Raises:
        OSError: the list cannot be read.
        ValueError: it is not text, or a label says that there are more classes than can be.
        CaffeError: a file is not HDF5, lacks a dataset, or its datasets do not fit.
    """
    path = Path(path)
    require_no_split(split, path)
    rows = [row for file in hdf5_files(path) for row in _rows(file, data, label)]
    labels, told = named_classes(
        path, classes, lambda: ((row.name, int(row.mask.read())) for row in rows)
    )
    return ClassificationDataset(tuple(rows), labels, str(path), preprocessing, told=told)


def one_label_each(path: Path, label: str = "label") -> bool:
    """Whether an HDF5 file has one label an image, not one a pixel; False where it has none."""
    try:
        with hdf5(path) as file:
            labels = file.get(label)
            return isinstance(labels, h5py.Dataset) and labels.shape[:1] == (labels.size,)
    except (OSError, CaffeError):  # its loader says what is wrong
        return False


def _numbered(path: Path) -> Iterator[tuple[str, int]]:
    for line in read_lines(path):
        name, _, number = line.replace("\t", " ").rpartition(" ")
        if not name.strip() or not number.lstrip("-").isdecimal():
            raise CaffeError(f"{path}: a line names an image and its label. Received: {line!r}")
        yield line[: len(name)].strip(), int(number)


def _rows(path: Path, data: str, label: str) -> Iterator[Pair]:
    with hdf5(path) as file:
        require_data_set(file, path, data, (4,))
        require_data_set(file, path, label, (1, 2, 3, 4))
        count, ready = len(file[data]), file[data].dtype.kind == "f"
        numbers = file[label]
        if numbers.shape[0] != count or numbers.size != count:
            raise CaffeError(
                f"{path}: {count} images in {data}, labels of shape {numbers.shape} in {label}"
            )
        values = np.asarray(numbers).reshape(-1)
    whole = values.dtype.kind in "iuf" and np.isfinite(values).all()
    if not whole or (values != np.rint(values)).any():
        raise CaffeError(f"{path}: {label} must be whole numbers. Received: {values.dtype}")
    for row, number in enumerate(values):
        name = f"{path}[{row}]"
        yield Pair(name, HDF5Row(path, data, row, False), Label(path, name, int(number)), ready)
