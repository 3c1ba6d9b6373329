"""Options of ONNX and ncnn files, for the commands that write them."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from typing import Any

from keras_fcn.cli.flags import flag

_FORMS = {
    "onnx": ("layout", "fold", "opset", "detection", "custom", "no_check"),
    "ncnn": ("fold", "detection", "no_check"),
}
"""Form of a file -> the options that it has."""
_SAID = {"onnx": "ONNX", "ncnn": "ncnn"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    group = parser.add_argument_group("ONNX and ncnn files")
    group.add_argument(
        "--layout",
        choices=("channels_first", "channels_last"),
        help="for ONNX: order of axes of inputs and outputs; by default channels_first, Caffe's",
    )
    group.add_argument(
        "--fold", action="store_true", help="fold batch norms and scales into the layers before"
    )
    group.add_argument(
        "--opset", type=int, help="for ONNX: version of ONNX' operators, 13 (default) to 17"
    )
    group.add_argument(
        "--detection",
        choices=("nodes", "none"),
        help="none leaves a detector's last layer out: locations, scores and priors are outputs",
    )
    group.add_argument(
        "--custom",
        action="store_true",
        help="for ONNX: keep layers that it has no operators for as nodes of the domain keras_fcn; "
        "runtimes do not know them, keras_fcn.onnx_evaluator does",
    )
    group.add_argument(
        "--no-check",
        action="store_true",
        help="do not run what is written in its own runtime to compare it with the network",
    )


def given(options: argparse.Namespace, form: str, checked: Collection[str] = ()) -> dict[str, Any]:
    """The options that the command line sets, as arguments of what writes the file.

    Args:
        options: the command's.
        form: the format of the file that is to be written.
        checked: other formats that `--no-check` is for.

    Raises:
        ValueError: one is set that is for other files.
    """
    names = dict.fromkeys(name for own in _FORMS.values() for name in own)
    values = {name: getattr(options, name) for name in names if getattr(options, name)}
    if form in checked:
        values.pop("no_check", None)
    for name in values:
        if name not in _FORMS.get(form, ()):
            forms = " and ".join(_SAID[x] for x, own in _FORMS.items() if name in own)
            raise ValueError(f"{flag(name)} is for {forms} files only")
    if values.pop("no_check", False):
        values["check"] = False
    return values
