"""`keras-fcn fetch`: download published weights."""

from __future__ import annotations

import argparse

SUMMARY = (
    "Download the weights of published networks. Each is proved by its size and hash where they "
    "are published, taken up where it broke off, and kept in the cache (KERAS_FCN_HOME)."
)
EXAMPLE = "keras-fcn fetch bvlc_reference_caffenet"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("names", nargs="+", metavar="NAME", help="see keras-fcn models")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def run(options: argparse.Namespace) -> None:
    """Fetch each and print where it lies.

    Raises:
        CaffeError: a file cannot be had.
        ValueError: no published model has this name.
    """
    from keras_fcn.published import fetch, published_model

    for name in options.names:
        published_model(name)
    for name in options.names:
        print(fetch(name))
