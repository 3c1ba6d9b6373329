"""Options for the data set that a command works on."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from keras_fcn.cli.flags import flag

if TYPE_CHECKING:
    from keras_fcn.datasets import LabelMap, SegmentationDataset

LAYOUTS = ("auto", "folders", "voc", "camvid", "cityscapes", "list", "hdf5")


def add_label_arguments(parser: argparse._ActionsContainer) -> None:
    """Add the layout, and what the numbers in masks mean."""
    parser.add_argument("--layout", choices=LAYOUTS, default="auto", help="by default found out")
    parser.add_argument(
        "--root-folder", metavar="DIR", help="comes before the names in a list, as Caffe's does"
    )
    parser.add_argument("--labels", metavar="FILE", help="class names, one a line")
    parser.add_argument("--classes", type=int, metavar="N", help="how many classes, without names")
    parser.add_argument("--ignore-index", type=int, default=255, metavar="I", help="of no class")
    parser.add_argument("--void", type=int, action="append", metavar="I", help="also ignored")
    parser.add_argument(
        "--reduce-zero-label", action="store_true", help="ignore 0, and count classes from 1"
    )


def label_map(options: argparse.Namespace) -> LabelMap | None:
    """The labels of the command line; None where those of the data set hold.

    Raises:
        OSError: the names cannot be read.
        ValueError: options that do not go together.
    """
    from keras_fcn.datasets import LabelMap
    from keras_fcn.preprocessing.labels import class_names, read_labels

    names = None if options.labels is None else read_labels(options.labels)
    if names is None and options.classes is None:
        if options.void or options.reduce_zero_label or options.ignore_index != 255:
            raise ValueError(
                "--ignore-index, --void and --reduce-zero-label go with --labels or --classes"
            )
        return None
    return LabelMap(
        classes=class_names(names, options.classes or len(names or ()), option=flag),
        ignore_index=options.ignore_index,
        void=tuple(options.void or ()),
        reduce_zero_label=options.reduce_zero_label,
    )


def load_split(
    options: argparse.Namespace, folder: str, masks: str | None, split: str | None
) -> SegmentationDataset:
    """One split of a data set by the options of `add_label_arguments`.

    Args:
        options: the command line.
        folder: the data set: a folder, a list, an HDF5 file, or the images' LMDB.
        masks: the masks' LMDB; None for the other layouts.
        split: its name; None for all pairs.

    Raises:
        CaffeError: a list or database is wrong.
        OSError: a folder or file is missing.
        ValueError: no such split, or no pairs; a split of an LMDB; colours that are not as many
            as the classes.
    """
    return _painted(_loaded(options, folder, masks, split), getattr(options, "palette", None))


def _painted(dataset: SegmentationDataset, palette: str | None) -> SegmentationDataset:
    """The data set with the colours of `--palette`."""
    if palette is None:
        return dataset
    from keras_fcn.preprocessing.labels import read_palette

    colours = read_palette(palette).tolist()
    if len(colours) != len(dataset.classes):
        raise ValueError(
            f"--palette must have a colour for each of the {len(dataset.classes)} classes of "
            f"{dataset.name}. Received: {len(colours)} in {palette}"
        )
    return replace(dataset, labels=replace(dataset.labels, palette=colours))


def _loaded(
    options: argparse.Namespace, folder: str, masks: str | None, split: str | None
) -> SegmentationDataset:
    from keras_fcn.datasets import load, load_lmdb

    if masks is None:
        return load(
            folder,
            split,
            label_map(options),
            layout=options.layout,
            root_folder=options.root_folder,
        )
    if split is not None:
        raise ValueError(f"an LMDB has no splits; leave the split out. Received: {split}")
    if options.root_folder is not None:
        raise ValueError(f"--root-folder goes with a list. Received: {options.root_folder}")
    return load_lmdb(folder, masks, label_map(options))
