"""`keras-fcn sample`: a small network to try things on."""

from __future__ import annotations

import argparse

SUMMARY = (
    "Write a small Caffe network, its weights and a picture into a folder, to try things on: "
    "a LeNet that reads the characters of licence plates."
)
EXAMPLE = "keras-fcn sample -o plate"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", default=".", help="the folder (default: this one)"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def run(options: argparse.Namespace) -> None:
    """Write the files.

    Raises:
        FileExistsError: the folder has other files of such names.
    """
    from keras_fcn.samples import FILES, write_samples

    for path in write_samples(options.output):
        print(f"wrote {path}: {FILES[path.name]}")
