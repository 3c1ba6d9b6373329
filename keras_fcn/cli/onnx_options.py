"""Options of ONNX files, for the commands that write them."""

from __future__ import annotations

import argparse
from typing import Any

from keras_fcn.cli.flags import flag

_OPTIONS = ("layout", "fold", "opset", "detection", "no_check")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    group = parser.add_argument_group("ONNX files")
    group.add_argument(
        "--layout",
        choices=("channels_first", "channels_last"),
        help="order of axes of inputs and outputs; by default channels_first, Caffe's",
    )
    group.add_argument(
        "--fold", action="store_true", help="fold batch norms and scales into the layers before"
    )
    group.add_argument("--opset", type=int, help="version of ONNX' operators, 13 (default) to 17")
    group.add_argument(
        "--detection",
        choices=("nodes", "none"),
        help="none leaves a detector's last layer out: locations, scores and priors are outputs",
    )
    group.add_argument(
        "--no-check",
        action="store_true",
        help="do not compare the file in onnxruntime with the network in Keras",
    )


def given(options: argparse.Namespace, *, is_onnx: bool) -> dict[str, Any]:
    """The options that the command line sets, as arguments of what writes the file.

    Args:
        options: the command's.
        is_onnx: whether an ONNX file is to be written.

    Raises:
        ValueError: they are set for another file.
    """
    values = {name: getattr(options, name) for name in _OPTIONS if getattr(options, name)}
    if values and not is_onnx:
        raise ValueError(f"{flag(next(iter(values)))} is for ONNX files only")
    if values.pop("no_check", False):
        values["check"] = False
    return values
