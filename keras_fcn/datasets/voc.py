"""The PASCAL VOC layout."""

from __future__ import annotations

from pathlib import Path

from keras_fcn.datasets.dataset import SegmentationDataset
from keras_fcn.datasets.folders import Labels, label_map, pair_files, read_lines
from keras_fcn.datasets.labels import LabelMap

__all__ = ["VOC", "load_voc"]

#: The 21 classes in the order of their indices; borders of objects are 255.
VOC = LabelMap(
    classes=(
        "background",
        "aeroplane",
        "bicycle",
        "bird",
        "boat",
        "bottle",
        "bus",
        "car",
        "cat",
        "chair",
        "cow",
        "diningtable",
        "dog",
        "horse",
        "motorbike",
        "person",
        "pottedplant",
        "sheep",
        "sofa",
        "train",
        "tvmonitor",
    )
)


def load_voc(
    folder: str | Path, split: str | None = None, labels: Labels | None = None
) -> SegmentationDataset:
    """`JPEGImages`, `SegmentationClass` and `ImageSets/Segmentation`.

    Args:
        folder: such as `VOCdevkit/VOC2012`.
        split: `"train"`, `"val"`, `"trainval"`: a file of `ImageSets/Segmentation`; None for every
            image that has a mask.
        labels: those of PASCAL VOC by default. Masks are palette images whose indices are the
            classes.

    Raises:
        OSError: the split's file is missing.
        ValueError: no pairs.
    """
    folder = Path(folder)
    labels = label_map(folder, labels or VOC)
    masks = folder / "SegmentationClass"
    if split is None:
        names = sorted(path.stem for path in masks.glob("*.png"))
    else:
        names = read_lines(folder / "ImageSets" / "Segmentation" / f"{split}.txt")
    pairs = pair_files(folder / "JPEGImages", masks, names, colours=labels.colours is not None)
    return SegmentationDataset(pairs, labels, " ".join(filter(None, (str(folder), split))))
