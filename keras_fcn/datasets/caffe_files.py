"""The text lists and HDF5 files that Caffe's data layers read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.words import argument
from keras_fcn.datasets.dataset import SegmentationDataset
from keras_fcn.datasets.folders import Labels, label_map, read_lines
from keras_fcn.datasets.sources import ImageFile, MaskFile, Pair
from keras_fcn.preprocessing import Preprocessing

_NAME = r"""(?:"([^"]+)"|'([^']+)'|([^\s"']+))"""
_QUOTED = re.compile(rf"(?=.*[\"']){_NAME}\s+{_NAME}")

__all__ = [
    "HDF5Row",
    "hdf5",
    "hdf5_files",
    "listed_file",
    "load_hdf5",
    "load_list",
    "parted",
    "require_data_set",
    "require_listed",
    "require_no_split",
    "to_rgb",
    "whole_numbers",
]


def load_list(
    path: str | Path,
    split: str | None = None,
    labels: Labels | None = None,
    *,
    root_folder: str | Path | None = None,
) -> SegmentationDataset:
    """A list of `image mask` lines, as `ImageData` of Caffe's segmentation forks reads it.

    The last space or tab of a line parts the two names, as in Caffe. Names that hold spaces are
    taken by a tab between them, by quotes around them, or by where there are such files.

    Args:
        path: the text file.
        split: must be None: a list is one split.
        labels: as for `load_folders`; `dataset.json` is looked for beside the list.
        root_folder: what comes before the names, which may begin with a slash, as `root_folder` of
            `image_data_param`; by default names count from the list's folder.

    Raises:
        OSError: the list cannot be read.
        ValueError: it is not text, or there are no classes.
        CaffeError: a line names no mask (BVLC Caffe's own lists give an image one number), or
            the names begin with a slash and none of the files is there.
    """
    path = Path(path)
    require_no_split(split, path)
    labels = label_map(path.parent, labels)

    def place(name: str) -> Path:
        return listed_file(path, name, root_folder)

    pairs = []
    for line in read_lines(path):
        image, mask = parted(line, place)
        if not image or mask.lstrip("-").isdecimal():
            raise CaffeError(
                f"{path}: a line names an image and its mask; a number is the class of a whole "
                f"image, not of its pixels. Received: {line!r}"
            )
        colours = labels.colours is not None
        pairs.append(Pair(image, ImageFile(place(image)), MaskFile(place(mask), colours)))
    require_listed(path, [pair.name for pair in pairs], root_folder)
    return SegmentationDataset(tuple(pairs), labels, str(path))


def listed_file(path: Path, name: str, root_folder: str | Path | None) -> Path:
    """The file that a list means by a name."""
    return path.parent / name if root_folder is None else Path(f"{root_folder}/{name}")


def require_listed(path: Path, names: Sequence[str], root_folder: str | Path | None) -> None:
    """Refuse a list whose names begin with a slash, and of which nothing is there.

    Raises:
        CaffeError: it is such a list.
    """
    rooted = root_folder is None and names and names[0].startswith("/")
    if rooted and not any(listed_file(path, name, None).exists() for name in names):
        raise CaffeError(
            f"{path}: its names begin with a slash, and none of the files is there; where they "
            f"count from another folder, give it as {argument('root_folder')}. Received: "
            f"{names[0]!r}"
        )


def parted(line: str, place: Callable[[str], Path]) -> tuple[str, str]:
    """The two names of a line; the first is empty where there is but one.

    Args:
        line: not empty.
        place: the file that a name means; of several ways to part the line, that with files.
    """
    ways = _partings(line)
    there = (two for two in reversed(ways) if all(place(name).is_file() for name in two))
    return ways[0] if len(ways) == 1 else next(there, ways[-1])


def _partings(line: str) -> list[tuple[str, str]]:
    """The ways to part a line in two names; at its last blank comes last."""
    quoted = _QUOTED.fullmatch(line)
    if quoted is not None:
        names = [name for name in quoted.groups() if name is not None]
        return [(names[0], names[1])]
    if line.count("\t") == 1:
        blanks = re.compile(r"\s*\t\s*").finditer(line)
    else:
        blanks = re.finditer(r"\s+", line)
    return [(line[: x.start()], line[x.end() :]) for x in blanks] or [("", line)]


@dataclass(frozen=True)
class HDF5Row:
    """One of the images, or masks, in a dataset of an HDF5 file."""

    path: Path
    dataset: str
    row: int
    is_mask: bool

    @property
    def name(self) -> str:
        return f"{self.path}:{self.dataset}[{self.row}]"

    def read(self) -> np.ndarray:
        with hdf5(self.path) as file:
            values = file[self.dataset][self.row]
        return _mask(values, self.name) if self.is_mask else _image(values, self.name)


def load_hdf5(
    path: str | Path,
    split: str | None = None,
    labels: Labels | None = None,
    *,
    data: str = "data",
    label: str = "label",
    preprocessing: Preprocessing | None = None,
) -> SegmentationDataset:
    """HDF5 files as Caffe's `HDF5Data` layer reads them.

    Images are `(N, channels, H, W)`, of three channels BGR. Floats are what the network takes and
    are fed as they are, as `HDF5Data` does: neither scaled nor less a mean, whatever the model's
    preprocessing of pictures. uint8 images are pictures and get it. Masks are `(N, H, W)` or
    `(N, 1, H, W)` of whole numbers.

    Args:
        path: an `.h5` file, or a text file with the names of some, one a line, counted from its
            folder.
        split: must be None.
        labels: as for `load_folders`; `dataset.json` is looked for beside the file.
        data: the dataset of images.
        label: the dataset of masks.
        preprocessing: what is done to floats after all, such as `Preprocessing(mean=(104, 117,
            123), raw_scale=1)`; the order of channels is kept. None for nothing.

    Raises:
        OSError: the list cannot be read.
        ValueError: it is not text, or there are no classes.
        CaffeError: a file is not HDF5, lacks a dataset, or its datasets do not fit.
    """
    path = Path(path)
    require_no_split(split, path)
    labels = label_map(path.parent, labels)
    pairs = tuple(pair for file in hdf5_files(path) for pair in _rows(file, data, label))
    return SegmentationDataset(pairs, labels, str(path), preprocessing)


def hdf5_files(path: Path) -> list[Path]:
    """An HDF5 file, or those that a text file names, counted from its folder."""
    if path.suffix.lower() in (".h5", ".hdf5"):
        return [path]
    return [path.parent / name for name in read_lines(path)]


def to_rgb(image: np.ndarray) -> np.ndarray:
    """`(channels, H, W)` as Caffe holds it, as `(H, W, channels)`; three channels as RGB."""
    image = np.moveaxis(image, 0, -1)
    return np.ascontiguousarray(image[..., ::-1] if image.shape[-1] == 3 else image)


def _rows(path: Path, data: str, label: str) -> Iterator[Pair]:
    with hdf5(path) as file:
        require_data_set(file, path, data, (4,))
        require_data_set(file, path, label, (3, 4))
        shapes = file[data].shape, file[label].shape
        ready = file[data].dtype.kind == "f"
    if shapes[0][0] != shapes[1][0]:
        raise CaffeError(
            f"{path}: {shapes[0][0]} images in {data}, {shapes[1][0]} masks in {label}"
        )
    for row in range(shapes[0][0]):
        image, mask = HDF5Row(path, data, row, False), HDF5Row(path, label, row, True)
        yield Pair(f"{path}[{row}]", image, mask, ready)


def require_data_set(file: h5py.File, path: Path, name: str, axes: Sequence[int]) -> None:
    """Require a dataset of some number of axes in an HDF5 file.

    Raises:
        CaffeError: there is none; what there is, is listed.
    """
    if isinstance(file.get(name), h5py.Dataset) and file[name].ndim in axes:
        return
    held = [f"{key} {getattr(file[key], 'shape', '(group)')}" for key in file]
    raise CaffeError(
        f"{path}: no dataset {name!r} of {' or '.join(map(str, axes))} axes. "
        f"Received: {', '.join(held) or 'nothing'}"
    )


def hdf5(path: Path) -> h5py.File:
    """An HDF5 file, open for reading.

    Raises:
        FileNotFoundError: there is no such file.
        CaffeError: it is not HDF5, or not whole.
    """
    try:
        return h5py.File(path, "r")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise CaffeError(f"{path}: not an HDF5 file that is whole: {error}") from error


def _image(values: np.ndarray, name: str) -> np.ndarray:
    if values.dtype != np.uint8 and values.dtype.kind != "f":
        raise CaffeError(f"{name}: images are uint8 or floats. Received: {values.dtype}")
    if not np.isfinite(values).all():
        raise CaffeError(f"{name}: the image has values that are NaN or infinite")
    image = to_rgb(values)
    return image if image.dtype == np.uint8 else image.astype(np.float32)


def _mask(values: np.ndarray, name: str) -> np.ndarray:
    return whole_numbers(values[0] if values.ndim == 3 and len(values) == 1 else values, name)


def whole_numbers(values: np.ndarray, name: str) -> np.ndarray:
    """A mask `(H, W)` as integers, which Caffe may hold as floats.

    Raises:
        CaffeError: it has several channels, or fractions.
    """
    if values.ndim != 2 or values.dtype.kind not in "iuf":
        raise CaffeError(f"{name}: a mask is one channel. Received: {values.dtype} {values.shape}")
    if values.dtype.kind != "f":
        return values
    if not np.isfinite(values).all() or (values != np.rint(values)).any():
        raise CaffeError(f"{name}: a mask holds whole numbers. Received: fractions or NaN")
    return values.astype(np.int64)


def require_no_split(split: str | None, path: Path) -> None:
    """Refuse a split of what is one split.

    Raises:
        ValueError: one is asked for.
    """
    if split is not None:
        raise ValueError(f"{path} is one split; `split` must be None. Received: {split!r}")
