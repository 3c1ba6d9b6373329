"""`keras-fcn dataset check`: what is wrong with a data set."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from keras_fcn.cli.data_options import add_label_arguments, load_split, show_progress

if TYPE_CHECKING:
    from keras_fcn.datasets import LabelledImages

SUMMARY = (
    "Check a data set. Reads every pair of image and mask, or image and label; lists what is "
    "missing, unreadable or mismatched, and counts the classes. Ends with 1 if anything is wrong."
)
EXAMPLE = "keras-fcn dataset check VOCdevkit/VOC2012 --split train"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("action", choices=("check",), help="what to do")
    parser.add_argument("folder", metavar="DIR", help="the data set; a list, HDF5 file or LMDB")
    parser.add_argument(
        "masks", metavar="MASKS", nargs="?", help="for LMDB without labels: the database of masks"
    )
    parser.add_argument("--split", action="append", help="may be repeated; by default all")
    add_label_arguments(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def run(options: argparse.Namespace) -> None:
    """Print a report for each split.

    Raises:
        CaffeError: a list or database is wrong.
        OSError: a folder or list cannot be read.
        ValueError: an option does not suit, or there are problems.
    """
    from keras_fcn.datasets import check

    reports = [check(dataset, progress=show_progress) for dataset in _datasets(options)]
    print("\n\n".join(map(str, reports)))
    problems = sum(len(report.problems) for report in reports)
    if problems:
        raise ValueError(f"{problems} problems in {sum(r.pairs for r in reports)} pairs, see above")


def _datasets(options: argparse.Namespace) -> list[LabelledImages]:
    from keras_fcn.datasets import splits

    chosen = options.split or (splits(options.folder) if options.masks is None else None) or [None]
    return [load_split(options, options.folder, options.masks, split) for split in chosen]
