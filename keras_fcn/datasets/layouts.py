"""The layout of a data set, told from the content of its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from keras_fcn.datasets.caffe_files import load_hdf5, load_list
from keras_fcn.datasets.class_files import (
    class_folders,
    load_folder_classes,
    load_hdf5_classes,
    load_list_classes,
    one_label_each,
)
from keras_fcn.datasets.class_lmdb import load_lmdb_classes
from keras_fcn.datasets.folders import MASK_FOLDERS, Labels, load_folders, read_lines
from keras_fcn.datasets.labelled import LabelledImages
from keras_fcn.datasets.road_scenes import load_camvid, load_cityscapes
from keras_fcn.datasets.voc import load_voc
from keras_fcn.preprocessing.told_means import Option

__all__ = ["CLASS_LAYOUTS", "LAYOUTS", "find_layout", "load", "splits"]

#: Layout of images with one label each -> its loader, called with folder or file, split, classes.
CLASS_LAYOUTS: Mapping[str, Callable[..., LabelledImages]] = {
    "class-folders": load_folder_classes,
    "class-list": load_list_classes,
    "class-hdf5": load_hdf5_classes,
    "class-lmdb": load_lmdb_classes,
}
#: Layout -> its loader, called with the folder or file, the split and the labels.
LAYOUTS: Mapping[str, Callable[..., LabelledImages]] = {
    "folders": load_folders,
    "voc": load_voc,
    "camvid": load_camvid,
    "cityscapes": load_cityscapes,
    "list": load_list,
    "hdf5": load_hdf5,
    **CLASS_LAYOUTS,
}

# What tells a layout: names in the folder, patterns of the file's own name.
_MARKS = {
    "ImageSets/Segmentation": "voc",
    "leftImg8bit": "cityscapes",
    "LabeledApproved_full": "camvid",
    "trainannot": "camvid",
}
_DATABASE = ("data.mdb", "CURRENT")  # of LMDB, and of LevelDB, which its loader refuses

# Argument -> the layouts that it is for.
_OWN: Mapping[str, tuple[str, ...]] = {
    "root_folder": ("list", "class-list"),
    "images": ("folders",),
    "masks": ("folders",),
}

_SPLITS = ("train", "val", "test")
_SPLIT_PLACES = (
    "{}.txt",
    "splits/{}.txt",
    "images/{}",
    "ImageSets/Segmentation/{}.txt",
    "leftImg8bit/{}",
    "{}annot",
)


def load(
    folder: str | Path,
    split: str | None = None,
    labels: Labels | int | None = None,
    *,
    layout: str = "auto",
    root_folder: str | Path | None = None,
    images: str | None = None,
    masks: str | None = None,
    option: Option = str,
) -> LabelledImages:
    """Loads a data set by its layout.

    Args:
        folder: of the data set; a list, an HDF5 file or an LMDB for those layouts.
        split: as the layout's loader takes it.
        labels: the classes, where the layout's own, or those of `dataset.json`, do not hold; for
            images with one label each names, or how many there are.
        layout: one of `LAYOUTS`, or `"auto"` to go by what the folder holds. Then CamVid as
            `images` and `labels` is taken for plain folders.
        root_folder: what comes before the names in a list; see `load_list`.
        images: name of the folder of images; see `load_folders`.
        masks: name of the folder of masks; see `load_folders`.
        option: what messages call an argument.

    Raises:
        OSError: a folder or file is missing.
        ValueError: an unknown layout, split or classes; no pairs; an argument of another layout.
        CaffeError: a list or an HDF5 file is wrong.
    """
    folder = Path(folder)
    layout = find_layout(folder, layout, with_masks=images is not None or masks is not None)
    arguments = {"root_folder": root_folder, "images": images, "masks": masks}
    given = {name: value for name, value in arguments.items() if value is not None}
    for name in given:
        if layout not in _OWN[name]:
            raise ValueError(
                f"{option(name)}: for the layout {' or '.join(map(repr, _OWN[name]))} only. "
                f"Received: {folder}, of layout {layout!r}"
            )
    return LAYOUTS[layout](folder, split, labels, **given)


def find_layout(folder: str | Path, layout: str = "auto", *, with_masks: bool = False) -> str:
    """The layout of a data set: the one given, or for `"auto"` that of what the folder holds.

    Args:
        folder: of the data set, or its file.
        layout: as for `load`.
        with_masks: whether it is known that it has masks, so that subfolders are no classes.

    Raises:
        OSError: there is no such folder or file.
        ValueError: an unknown layout.
    """
    folder = Path(folder)
    if layout != "auto" and layout not in LAYOUTS:
        raise ValueError(f"`layout` is 'auto' or one of {list(LAYOUTS)}. Received: {layout!r}")
    if not folder.exists():
        raise FileNotFoundError(2, "no such file or folder", str(folder))
    return _layout(folder, with_masks) if layout == "auto" else layout


def splits(folder: str | Path) -> tuple[str, ...]:
    """The splits (train, val, test) that a folder holds, in any layout."""
    folder = Path(folder)
    places: tuple[str, ...] = _SPLIT_PLACES
    if folder.is_dir() and _layout(folder) == "class-folders":
        places = ("{}",)
    return tuple(
        name for name in _SPLITS if any((folder / place.format(name)).exists() for place in places)
    )


def _layout(folder: Path, with_masks: bool = False) -> str:
    if folder.is_file():
        return _layout_of_file(folder)
    if any((folder / name).exists() for name in _DATABASE):
        return "class-lmdb"
    told = next((name for mark, name in _MARKS.items() if (folder / mark).exists()), None)
    with_masks |= any((folder / name).exists() for name in ("images", *MASK_FOLDERS))
    if told is None and not with_masks:
        inner = next((folder / x for x in _SPLITS if (folder / x).is_dir()), folder)
        told = "class-folders" if len(class_folders(inner)) > 1 else None
    return told or "folders"


def _layout_of_file(path: Path) -> str:
    """The layout of a list or file: what its first line, or its labels, say."""
    suffix = path.suffix.lower()
    if suffix == ".mdb":
        return "class-lmdb"
    file = path
    if suffix not in (".h5", ".hdf5"):
        line = next(iter(read_lines(path)), "")
        file = path.parent / line
        if file.suffix.lower() not in (".h5", ".hdf5"):
            number = line.replace("\t", " ").rpartition(" ")[2]
            return "class-list" if number.lstrip("-").isdecimal() else "list"
    return "class-hdf5" if one_label_each(file) else "hdf5"
