"""Options on how a prototxt is read, for every command that takes one."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from keras_fcn.caffe.words import parts

_PHASES = ("TEST", "TRAIN")
# Option -> argument of load_network.
_ARGUMENTS: Mapping[str, str] = {
    "phase": "phase",
    "level": "level",
    "stage": "stages",
    "input": "input_shapes",
    "output_blob": "outputs",
    "dialect": "dialect",
}


def input_shape(text: str) -> tuple[str, tuple[int | None, ...]]:
    """`data=3x227x227` as name and sizes; `?` is a size that stays open."""
    name, found, sizes = text.rpartition("=")
    if not found or not name:
        raise argparse.ArgumentTypeError(f"takes NAME=CxHxW, such as data=3x227x227, not {text}")
    parts = sizes.lower().split("x") if sizes else []
    if not all(part == "?" or (part.isdecimal() and int(part) > 0) for part in parts):
        raise argparse.ArgumentTypeError(
            f"sizes are whole numbers above 0 with x between, or ?, such as data=3x227x227, not "
            f"{text}"
        )
    return name, tuple(None if part == "?" else int(part) for part in parts)


def add_arguments(
    parser: argparse._ActionsContainer, *, outputs: bool = False, dialect: bool = True
) -> None:
    """Add the options that say which network of a prototxt is meant.

    Args:
        parser: the command's parser, or a group of it.
        outputs: whether the command may take other blobs as outputs.
        dialect: whether `--dialect` is added.
    """
    parser.add_argument(
        "--phase",
        type=str.upper,
        choices=_PHASES,
        help="whose layers are in; by default TEST, or all where a caffemodel is read alone",
    )
    add_state(parser)
    parser.add_argument(
        "--input",
        type=input_shape,
        action="append",
        default=[],
        metavar="NAME=CxHxW",
        help="sizes of an input in Caffe's order without the batch, such as data=3x227x227, "
        "where only the data tell them; ? stays open; may be repeated",
    )
    if dialect:
        parser.add_argument(
            "--dialect", help="the fork of Caffe that the network is for, such as segnet or pspnet"
        )
    if outputs:
        parser.add_argument(
            "--output-blob",
            action="append",
            default=[],
            metavar="BLOB",
            help="take this blob as an output, and leave out what it does not need; may be "
            "repeated",
        )


def add_state(parser: argparse._ActionsContainer) -> None:
    """Add the options of the net state beside its phase."""
    parser.add_argument("--level", type=int, default=0, metavar="N", help="the net state's level")
    parser.add_argument(
        "--stage",
        type=parts,
        action="extend",
        default=[],
        metavar="NAMES",
        help="stages of the net state, such as deploy, with commas between; may be repeated",
    )


def given(options: argparse.Namespace) -> dict[str, Any]:
    """The options that the command line sets, as arguments of `load_network`.

    Raises:
        ValueError: one input is given twice.
    """
    names = [name for name, _ in options.input]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"--input gives the sizes of {name!r} twice")
    values = {new: getattr(options, old, None) for old, new in _ARGUMENTS.items()}
    values["input_shapes"] = dict(options.input)
    return {name: value for name, value in values.items() if value}
