"""Options of LiteRT files."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from keras_fcn.cli.flags import flag

_NAMES = ("precision", "calibration")
_PRECISIONS = ("float32", "float16", "int8")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    group = parser.add_argument_group("LiteRT files")
    group.add_argument(
        "--precision",
        choices=_PRECISIONS,
        help="of the weights, and for int8 of what is computed; inputs and outputs are float32",
    )
    group.add_argument(
        "--calibration",
        metavar="FOLDER",
        help="pictures such as the network will see, of which the first 100 by name count: int8 "
        "needs them, and a lower precision is compared with the network on them",
    )


def given(options: argparse.Namespace, form: str) -> dict[str, Any]:
    """The options that the command line sets, as arguments of `keras_fcn.export`.

    Args:
        options: the command's.
        form: the format of the file that is to be written.

    Raises:
        ValueError: one is set that is for other files.
    """
    values = {name: getattr(options, name) for name in _NAMES if getattr(options, name)}
    if form != "litert":
        for name in values:
            raise ValueError(f"{flag(name)} is for LiteRT files only. Received: {form}")
        return {}
    if options.no_check:
        values["check"] = False
    return values | {"progress": lambda line: print(line, file=sys.stderr)}
