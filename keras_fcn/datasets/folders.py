"""Folders of images and masks that are paired by their names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from keras_fcn.datasets.dataset import SegmentationDataset
from keras_fcn.datasets.labels import LabelMap
from keras_fcn.datasets.sources import SUFFIXES, ImageFile, MaskFile, Pair

__all__ = [
    "DESCRIPTION",
    "MASK_FOLDERS",
    "Labels",
    "label_map",
    "load_folders",
    "pair_files",
    "read_lines",
]

#: The file beside the folders that names the classes.
DESCRIPTION = "dataset.json"

Labels = LabelMap | Sequence[str]

MASK_FOLDERS = ("masks", "labels", "annotations")
_DESCRIBED = ("classes", "palette", "ignore_index", "void", "reduce_zero_label")


def load_folders(
    folder: str | Path,
    split: str | None = None,
    labels: Labels | None = None,
    *,
    images: str = "images",
    masks: str | None = None,
    image_suffix: str = "",
    mask_suffix: str = "",
) -> SegmentationDataset:
    """Images and masks of the same name, less their suffixes, in two folders.

    Folders are searched with their subfolders. A split is a file `SPLIT.txt` or
    `splits/SPLIT.txt` of names, one a line, or else the subfolders `SPLIT` of both folders. An
    image without a mask, or the other way round, is a pair that cannot be read: `check` lists it.

    Args:
        folder: where the two folders are.
        split: `"train"`, `"val"`, ...; None for all pairs.
        labels: the classes, as names or a `LabelMap`; by default those of `dataset.json` in the
            folder, an object with `classes` and, where they differ from the defaults of `LabelMap`,
            `palette`, `ignore_index`, `void`, `reduce_zero_label` and
            `colours: [[R, G, B, index], ...]`.
        images: name of the folder of images.
        masks: name of the folder of masks; `masks`, `labels` or `annotations` by default.
        image_suffix: what comes after the common name in an image's, such as `_leftImg8bit`.
        mask_suffix: the same for masks; files that end otherwise are left alone.

    Raises:
        OSError: a folder or file is missing.
        ValueError: there is no such split, no classes, no pairs, or two files have one name.
    """
    folder = Path(folder)
    labels = label_map(folder, labels)
    image_folder = _existing(folder / images)
    mask_folder = _existing(_mask_folder(folder) if masks is None else folder / masks)
    names = None
    if split is not None:
        listed = (folder / f"{split}.txt", folder / "splits" / f"{split}.txt")
        file = next(filter(Path.is_file, listed), None)
        if file is not None:
            names = read_lines(file)
        elif (image_folder / split).is_dir():
            image_folder, mask_folder = image_folder / split, _existing(mask_folder / split)
        else:
            raise ValueError(
                f"{folder}: no split {split!r}; it is neither a file {split}.txt nor a folder "
                f"{image_folder / split}"
            )
    pairs = pair_files(
        image_folder,
        mask_folder,
        names,
        image_suffix=image_suffix,
        mask_suffix=mask_suffix,
        colours=labels.colours is not None,
    )
    return SegmentationDataset(pairs, labels, " ".join(filter(None, (str(folder), split))))


def pair_files(
    images: Path,
    masks: Path,
    names: Iterable[str] | None = None,
    *,
    image_suffix: str = "",
    mask_suffix: str = "",
    colours: bool = False,
) -> tuple[Pair, ...]:
    """Pairs of the files in two folders, in the order of `names`, or of all by name.

    Raises:
        ValueError: no pairs, or two files of one name.
    """
    image_files, mask_files = _files(images, image_suffix), _files(masks, mask_suffix)
    if names is None:
        names = sorted(image_files.keys() | mask_files.keys())
    pairs = tuple(
        Pair(
            key,
            ImageFile(image_files.get(key, images / f"{key}{image_suffix}.*")),
            MaskFile(mask_files.get(key, masks / f"{key}{mask_suffix}.*"), colours),
        )
        for key in map(_stem, names)
    )
    if not pairs:
        raise ValueError(f"{images}: no images ({', '.join(sorted(SUFFIXES))}) or names of them")
    return pairs


def label_map(folder: Path, labels: Labels | None) -> LabelMap:
    """The labels as given, or as the folder's description has them.

    Raises:
        ValueError: there is neither, or the description is wrong.
    """
    if isinstance(labels, LabelMap):
        return labels
    if labels is not None:
        return LabelMap(classes=tuple(labels))
    path = folder / DESCRIPTION
    if not path.is_file():
        raise ValueError(
            f"{folder} does not say which classes its masks have: give their names, or write "
            f'them in {path}, such as {{"classes": ["background", "cat"]}}'
        )
    try:
        return _described(json.loads(path.read_text("utf-8-sig")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty, without spaces at their ends.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not text.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a list in UTF-8 text: {error}") from error
    return [line.strip() for line in lines if line.strip()]


def _described(content: Any) -> LabelMap:
    known = {*_DESCRIBED, "colours"}
    if not isinstance(content, dict) or "classes" not in content or content.keys() - known:
        raise ValueError(f"an object with `classes`, of {sorted(known)}. Received: {content}")
    options = {name: content[name] for name in _DESCRIBED if name in content}
    if "colours" in content:
        options["colours"] = {(r, g, b): index for r, g, b, index in content["colours"]}
    return LabelMap(**options)


def _files(folder: Path, suffix: str) -> dict[str, Path]:
    """The pictures in a folder, by their path in it less the suffixes."""
    files: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        stem = path.relative_to(folder).with_suffix("").as_posix()
        if path.suffix.lower() not in SUFFIXES or not stem.endswith(suffix):
            continue
        other = files.setdefault(stem.removesuffix(suffix), path)
        if other != path:
            raise ValueError(f"two pictures of one name; remove one. Received: {other} and {path}")
    return files


def _stem(name: str) -> str:
    path = Path(name)
    return (path.with_suffix("") if path.suffix.lower() in SUFFIXES else path).as_posix()


def _mask_folder(folder: Path) -> Path:
    candidates = [folder / name for name in MASK_FOLDERS]
    return next(filter(Path.is_dir, candidates), candidates[0])


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise FileNotFoundError(2, "no such folder", str(folder))
    return folder
