"""Options for the data set that a command works on."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from keras_fcn.cli.flags import flag

if TYPE_CHECKING:
    from keras_fcn.datasets import LabelledImages, LabelMap

CLASS_LAYOUTS = ("class-folders", "class-list", "class-hdf5", "class-lmdb")
_IGNORE_INDEX = 255
LAYOUTS = ("auto", "folders", "voc", "camvid", "cityscapes", "list", "hdf5", *CLASS_LAYOUTS)


def add_label_arguments(parser: argparse._ActionsContainer) -> None:
    """Add the layout, and what the numbers in masks mean."""
    parser.add_argument(
        "--layout",
        choices=LAYOUTS,
        default="auto",
        help="by default found out. folders: images/ and masks/, labels/ or annotations/ with "
        "files of the same names, dataset.json with the classes, and SPLIT.txt with names, or "
        "subfolders SPLIT. class-...: images with one label each: a folder a class, in SPLIT where "
        "there are such; a list of lines 'image label'; HDF5 with a label each; Caffe's LMDB",
    )
    parser.add_argument("--images", metavar="NAME", help="another name of images/, for folders")
    parser.add_argument(
        "--masks", dest="mask_folder", metavar="NAME", help="another name of masks/, for folders"
    )
    parser.add_argument(
        "--root-folder", metavar="DIR", help="comes before the names in a list, as Caffe's does"
    )
    parser.add_argument("--labels", metavar="FILE", help="class names, one a line")
    parser.add_argument("--classes", type=int, metavar="N", help="how many classes, without names")
    parser.add_argument(
        "--colours",
        metavar="FILE",
        help="for masks of colours: lines R G B name, those of void are ignored",
    )
    parser.add_argument(
        "--ignore-index",
        type=int,
        default=_IGNORE_INDEX,
        metavar="I",
        help="of no class; by default %(default)s",
    )
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
    from keras_fcn.datasets.colour_files import read_colours
    from keras_fcn.preprocessing.labels import class_names, read_labels

    if options.colours is not None:
        if options.labels or options.classes or options.void or options.reduce_zero_label:
            raise ValueError(
                "--colours names the classes, and goes without --labels, --classes, --void and "
                "--reduce-zero-label"
            )
        return read_colours(options.colours, options.ignore_index)
    names = None if options.labels is None else read_labels(options.labels)
    if names is None and options.classes is None:
        if options.void or options.reduce_zero_label or options.ignore_index != _IGNORE_INDEX:
            raise ValueError(
                "--ignore-index, --void and --reduce-zero-label go with --labels or --classes, the "
                "first with --colours too"
            )
        return None
    return LabelMap(
        classes=class_names(names, options.classes or len(names or ()), option=flag),
        ignore_index=options.ignore_index,
        void=tuple(options.void or ()),
        reduce_zero_label=options.reduce_zero_label,
    )


def image_labels(options: argparse.Namespace) -> Sequence[str] | int | None:
    """The classes of whole images by the command line; None where those of the data set hold.

    Raises:
        OSError: the names cannot be read.
        ValueError: options that are for masks, or that do not go together.
    """
    from keras_fcn.preprocessing.labels import class_names, read_labels

    of_masks = {
        "colours": options.colours,
        "void": options.void,
        "reduce_zero_label": options.reduce_zero_label,
        "ignore_index": options.ignore_index != _IGNORE_INDEX,
    }
    given = [flag(name) for name, value in of_masks.items() if value]
    if given:
        raise ValueError(f"{', '.join(given)}: for masks; these images have one label each")
    if options.labels is None:
        return None if options.classes is None else int(options.classes)
    names = read_labels(options.labels)
    return class_names(names, options.classes or len(names), option=flag)


def load_split(
    options: argparse.Namespace, folder: str, masks: str | None, split: str | None
) -> LabelledImages:
    """One split of a data set by the options of `add_label_arguments`.

    Args:
        options: the command line.
        folder: the data set: a folder, a list, an HDF5 file, or an LMDB: the images', or one
            with labels.
        masks: the masks' LMDB; None for the other layouts.
        split: its name; None for all pairs.

    Raises:
        CaffeError: a list or database is wrong.
        OSError: a folder or file is missing.
        ValueError: no such split, or no pairs; a split of an LMDB; colours that are not as many
            as the classes.
    """
    return _painted(_loaded(options, folder, masks, split), getattr(options, "palette", None))


def _painted(dataset: LabelledImages, palette: str | None) -> LabelledImages:
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
) -> LabelledImages:
    from keras_fcn.datasets import load, load_lmdb
    from keras_fcn.datasets.layouts import find_layout

    if masks is None:
        named = options.images is not None or options.mask_folder is not None
        of_images = find_layout(folder, options.layout, with_masks=named) in CLASS_LAYOUTS
        return load(
            folder,
            split,
            image_labels(options) if of_images else label_map(options),
            layout=options.layout,
            root_folder=options.root_folder,
            images=options.images,
            masks=options.mask_folder,
            option=_flag,
        )
    if split is not None:
        raise ValueError(f"an LMDB has no splits; leave the split out. Received: {split}")
    for name in ("root_folder", "images", "mask_folder"):
        value = getattr(options, name)
        if value is not None:
            raise ValueError(f"an LMDB has no {_flag(name)}. Received: {value}")
    return load_lmdb(folder, masks, label_map(options))


def require_usable(datasets: Mapping[str, LabelledImages], leave_out: bool, *, skip: str) -> None:
    """Read all pairs before anything else is done; see `keras_fcn.datasets.usable`.

    Args:
        datasets: what messages call it -> the data set.
        leave_out: whether bad pairs are left out.
        skip: the command's option for that.

    Raises:
        ValueError: there are bad pairs, which are not to be left out.
    """
    from keras_fcn.datasets import usable

    on_bad_pair = "skip" if leave_out else "stop"
    usable.require_usable(datasets, on_bad_pair, progress=show_progress, skip=skip)


def show_progress(done: int, total: int) -> None:
    """Count the pairs that are read, on a terminal."""
    if sys.stderr.isatty():
        end = "\r\033[K" if done == total else ""
        print(f"\rreading {done} of {total}{end}", end="", file=sys.stderr, flush=True)


def _flag(argument: str) -> str:
    return flag("masks" if argument == "mask_folder" else argument)
