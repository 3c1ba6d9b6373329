"""Road scenes: CamVid and Cityscapes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from keras_fcn.datasets.dataset import SegmentationDataset
from keras_fcn.datasets.folders import Labels, label_map, load_folders, pair_files
from keras_fcn.datasets.labels import Colour, LabelMap

__all__ = ["CAMVID", "CITYSCAPES", "load_camvid", "load_cityscapes"]

_VOID = 255

#: The 32 colours of CamVid's masks, grouped in the 11 classes that papers on it use; the first
#: colour is the group's own. Source: label_colors.txt of the data set; the groups are those of
#: Sturgess et al., "Combining Appearance and Structure from Motion Features for Road Scene
#: Understanding", BMVC 2009, in the order of SegNet's masks.
_CAMVID_GROUPS: Mapping[str, tuple[Colour, ...]] = {
    "sky": ((128, 128, 128),),
    "building": (
        (128, 0, 0),
        (192, 0, 128),  # archway
        (0, 128, 64),  # bridge
        (64, 0, 64),  # tunnel
        (64, 192, 0),  # wall
    ),
    "pole": ((192, 192, 128), (0, 0, 64)),  # traffic cone
    "road": ((128, 64, 128), (128, 0, 192), (192, 0, 64)),  # lane markings, two kinds
    "pavement": ((0, 0, 192), (64, 192, 128), (128, 128, 192)),  # parking block, road shoulder
    "tree": ((128, 128, 0), (192, 192, 0)),  # other vegetation
    "sign": ((192, 128, 128), (128, 128, 64), (0, 64, 64)),  # other text, traffic light
    "fence": ((64, 64, 128),),
    "car": (
        (64, 0, 128),
        (64, 128, 192),  # pickup truck
        (192, 128, 192),  # truck, bus
        (192, 64, 128),  # train
        (128, 64, 64),  # other moving
    ),
    "pedestrian": (
        (64, 64, 0),
        (192, 128, 64),  # child
        (64, 0, 192),  # cart, luggage, pram
        (64, 128, 64),  # animal
    ),
    "bicyclist": ((0, 128, 192), (192, 0, 192)),  # motorcycle
}

#: CamVid: index masks with void at 11, as SegNet's, and the original masks of colours.
CAMVID = LabelMap(
    classes=tuple(_CAMVID_GROUPS),
    palette=[colours[0] for colours in _CAMVID_GROUPS.values()],
    void=(len(_CAMVID_GROUPS),),
    colours={(0, 0, 0): _VOID}
    | {
        colour: index for index, colours in enumerate(_CAMVID_GROUPS.values()) for colour in colours
    },
)

#: Cityscapes: name -> (labelId, colour), in the order of the trainIds. Source: cityscapesScripts.
_CITYSCAPES: Mapping[str, tuple[int, Colour]] = {
    "road": (7, (128, 64, 128)),
    "sidewalk": (8, (244, 35, 232)),
    "building": (11, (70, 70, 70)),
    "wall": (12, (102, 102, 156)),
    "fence": (13, (190, 153, 153)),
    "pole": (17, (153, 153, 153)),
    "traffic light": (19, (250, 170, 30)),
    "traffic sign": (20, (220, 220, 0)),
    "vegetation": (21, (107, 142, 35)),
    "terrain": (22, (152, 251, 152)),
    "sky": (23, (70, 130, 180)),
    "person": (24, (220, 20, 60)),
    "rider": (25, (255, 0, 0)),
    "car": (26, (0, 0, 142)),
    "truck": (27, (0, 0, 70)),
    "bus": (28, (0, 60, 100)),
    "train": (31, (0, 80, 100)),
    "motorcycle": (32, (0, 0, 230)),
    "bicycle": (33, (119, 11, 32)),
}
_CITYSCAPES_IDS = 34

CITYSCAPES = LabelMap(
    classes=tuple(_CITYSCAPES),
    palette=[colour for _, colour in _CITYSCAPES.values()],
    lookup=dict.fromkeys((*range(_CITYSCAPES_IDS), _VOID), _VOID)
    | {number: index for index, (number, _) in enumerate(_CITYSCAPES.values())},
)


def load_camvid(
    folder: str | Path, split: str | None = None, labels: Labels | None = None
) -> SegmentationDataset:
    """CamVid in any of the three forms it goes about in.

    - `images` and `labels` with `train.txt`, `val.txt`, ...
    - `train` and `trainannot`, `val` and `valannot`, ...: SegNet's, index masks.
    - `701_StillsRaw_full` and `LabeledApproved_full`, `*_L.png`: the original, masks of colours;
      splits are files of names, `train.txt` and so on, beside the folders.

    Args:
        folder: where those are.
        split: `"train"`, `"val"` or `"test"`; None for all where the form allows it.
        labels: the 11 classes by default; the void of index masks, 11, and black are ignored.

    Raises:
        OSError: a folder or file is missing.
        ValueError: no such split, or no pairs.
    """
    folder = Path(folder)
    labels = label_map(folder, labels or CAMVID)
    if (folder / "LabeledApproved_full").is_dir():
        masks = "LabeledApproved_full"
        return load_folders(
            folder, split, labels, images="701_StillsRaw_full", masks=masks, mask_suffix="_L"
        )
    if split is not None and (folder / f"{split}annot").is_dir():
        pairs = pair_files(
            folder / split, folder / f"{split}annot", colours=labels.colours is not None
        )
        return SegmentationDataset(pairs, labels, f"{folder} {split}")
    return load_folders(folder, split, labels)


def load_cityscapes(
    folder: str | Path, split: str | None = None, labels: Labels | None = None
) -> SegmentationDataset:
    """`leftImg8bit/SPLIT/CITY/*_leftImg8bit.png` with `gtFine/SPLIT/CITY/*_gtFine_labelIds.png`.

    Args:
        folder: where `leftImg8bit` and `gtFine` are.
        split: `"train"`, `"val"` or `"test"`; None for all of them.
        labels: the 19 classes by default; labelIds become trainIds, all others are ignored.

    Raises:
        OSError: a folder is missing.
        ValueError: no such split, or no pairs.
    """
    return load_folders(
        folder,
        split,
        labels or CITYSCAPES,
        images="leftImg8bit",
        masks="gtFine",
        image_suffix="_leftImg8bit",
        mask_suffix="_gtFine_labelIds",
    )
