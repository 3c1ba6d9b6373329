"""The layout of a data set, told from the content of its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from keras_fcn.datasets.caffe_files import load_hdf5, load_list
from keras_fcn.datasets.dataset import SegmentationDataset
from keras_fcn.datasets.folders import Labels, load_folders
from keras_fcn.datasets.road_scenes import load_camvid, load_cityscapes
from keras_fcn.datasets.voc import load_voc
from keras_fcn.preprocessing.told_means import Option

__all__ = ["LAYOUTS", "load", "splits"]

#: Layout -> its loader, called with the folder or file, the split and the labels.
LAYOUTS: Mapping[str, Callable[..., SegmentationDataset]] = {
    "folders": load_folders,
    "voc": load_voc,
    "camvid": load_camvid,
    "cityscapes": load_cityscapes,
    "list": load_list,
    "hdf5": load_hdf5,
}

# What tells a layout: names in the folder, patterns of the file's own name.
_MARKS = {
    "ImageSets/Segmentation": "voc",
    "leftImg8bit": "cityscapes",
    "LabeledApproved_full": "camvid",
    "trainannot": "camvid",
}
_SUFFIXES = {".txt": "list", ".h5": "hdf5", ".hdf5": "hdf5"}

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
    labels: Labels | None = None,
    *,
    layout: str = "auto",
    root_folder: str | Path | None = None,
    images: str | None = None,
    masks: str | None = None,
    option: Option = str,
) -> SegmentationDataset:
    """Loads a data set by its layout.

    Args:
        folder: of the data set; a list or an HDF5 file for those two layouts.
        split: as the layout's loader takes it.
        labels: the classes, where the layout's own, or those of `dataset.json`, do not hold.
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
    if layout != "auto" and layout not in LAYOUTS:
        raise ValueError(f"`layout` is 'auto' or one of {list(LAYOUTS)}. Received: {layout!r}")
    if not folder.exists():
        raise FileNotFoundError(2, "no such file or folder", str(folder))
    layout = _layout(folder) if layout == "auto" else layout
    own: Mapping[str, Mapping[str, str | Path | None]] = {
        "list": {"root_folder": root_folder},
        "folders": {"images": images, "masks": masks},
    }
    given = {
        kind: {name: value for name, value in arguments.items() if value is not None}
        for kind, arguments in own.items()
    }
    for kind, arguments in given.items():
        if arguments and kind != layout:
            raise ValueError(
                f"{', '.join(map(option, arguments))}: for the layout {kind!r} only. "
                f"Received: {folder}, of layout {layout!r}"
            )
    return LAYOUTS[layout](folder, split, labels, **given.get(layout, {}))


def splits(folder: str | Path) -> tuple[str, ...]:
    """The splits (train, val, test) that a folder holds, in any layout."""
    folder = Path(folder)
    return tuple(
        name
        for name in _SPLITS
        if any((folder / place.format(name)).exists() for place in _SPLIT_PLACES)
    )


def _layout(folder: Path) -> str:
    if folder.is_file():
        return _SUFFIXES.get(folder.suffix.lower(), "list")
    return next((name for mark, name in _MARKS.items() if (folder / mark).exists()), "folders")
