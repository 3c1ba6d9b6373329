"""`keras-fcn identify`: which published network a file is."""

from __future__ import annotations

import argparse

from keras_fcn.caffe.errors import CaffeError

SUMMARY = (
    "Tell which published network files belong to. They are recognised by their hash, whatever "
    "their name and whatever mirror they came from."
)
EXAMPLE = "keras-fcn identify net.caffemodel"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="a caffemodel, prototxt or .h5")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def run(options: argparse.Namespace) -> None:
    """Print what each file is.

    Raises:
        CaffeError: a file cannot be read, or the registry does not know it.
    """
    from keras_fcn.published import identify

    unknown = []
    for path in options.files:
        identity = identify(path)
        if identity is None:
            unknown.append(path)
        else:
            print(f"{path}: {identity}")
    if unknown:
        raise CaffeError(
            f"no published network in the registry has the hash of {', '.join(unknown)}"
        )
