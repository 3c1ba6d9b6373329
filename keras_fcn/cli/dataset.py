"""``keras-fcn dataset check``: what is wrong with a segmentation data set."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_fcn.datasets import LabelMap, SegmentationDataset

SUMMARY = (
    "Check a segmentation data set. Reads every pair of image and mask; lists what is missing, "
    "unreadable or mismatched, and counts the classes. Ends with 1 if anything is wrong."
)
EXAMPLE = "keras-fcn dataset check VOCdevkit/VOC2012 --split train"

_LAYOUTS = ("auto", "folders", "voc", "camvid", "cityscapes", "list", "hdf5")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("action", choices=("check",), help="what to do")
    parser.add_argument("folder", metavar="DIR", help="the data set; a list, HDF5 file or LMDB")
    parser.add_argument("masks", metavar="MASKS", nargs="?", help="for LMDB: the database of masks")
    parser.add_argument("--layout", choices=_LAYOUTS, default="auto", help="by default found out")
    parser.add_argument("--split", action="append", help="may be repeated; by default all")
    parser.add_argument("--labels", metavar="FILE", help="class names, one a line")
    parser.add_argument("--classes", type=int, metavar="N", help="how many classes, without names")
    parser.add_argument("--ignore-index", type=int, default=255, metavar="I", help="of no class")
    parser.add_argument("--void", type=int, action="append", metavar="I", help="also ignored")
    parser.add_argument(
        "--reduce-zero-label", action="store_true", help="ignore 0, and count classes from 1"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def run(options: argparse.Namespace) -> None:
    """Print a report for each split.

    Raises:
        CaffeError: a list or database is wrong.
        OSError: a folder or list cannot be read.
        ValueError: an option does not suit, or there are problems.
    """
    from keras_fcn.datasets import check

    reports = [check(dataset, progress=_progress) for dataset in _datasets(options)]
    print("\n\n".join(map(str, reports)))
    problems = sum(len(report.problems) for report in reports)
    if problems:
        raise ValueError(f"{problems} problems in {sum(r.pairs for r in reports)} pairs, see above")


def _datasets(options: argparse.Namespace) -> list[SegmentationDataset]:
    from keras_fcn.datasets import load, load_lmdb, splits

    labels = _labels(options)
    if options.masks is not None:
        return [load_lmdb(options.folder, options.masks, labels)]
    chosen = options.split or splits(options.folder) or [None]
    return [load(options.folder, split, labels, layout=options.layout) for split in chosen]


def _labels(options: argparse.Namespace) -> LabelMap | None:
    """The labels of the command line; None where those of the data set hold."""
    from keras_fcn.cli.labels import class_names, read_labels
    from keras_fcn.datasets import LabelMap

    names = None if options.labels is None else read_labels(options.labels)
    if names is None and options.classes is None:
        if options.void or options.reduce_zero_label or options.ignore_index != 255:
            raise ValueError(
                "--ignore-index, --void and --reduce-zero-label go with --labels or --classes"
            )
        return None
    return LabelMap(
        classes=class_names(names, options.classes or len(names or ())),
        ignore_index=options.ignore_index,
        void=tuple(options.void or ()),
        reduce_zero_label=options.reduce_zero_label,
    )


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        end = "\r\033[K" if done == total else ""
        print(f"\rreading {done} of {total}{end}", end="", file=sys.stderr, flush=True)
