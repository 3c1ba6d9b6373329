"""Names of functions' arguments on the command line."""

from __future__ import annotations

from collections.abc import Mapping

_FLAGS: Mapping[str, str] = {
    "channel_order": "rgb",
    "classes": "labels",
    "exports": "export",
    "multipliers": "lr-mult",
    "stages": "stage",
    "input_shapes": "input",
    "outputs": "output-blob",
}


def flag(argument: str) -> str:
    """`raw_scale` as `--raw-scale`."""
    return f"--{_FLAGS.get(argument, argument.replace('_', '-'))}"
