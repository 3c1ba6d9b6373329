"""The text of a `.param` file of this converter, looked at before ncnn reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.ncnn.net import DETECTIONS, OF_ALL, OF_IMAGE
from keras_fcn.caffe.ncnn.writing import MAGIC, NOTES

_KINDS: Mapping[str, type] = {"inputs": dict, "outputs": dict, "metadata": dict, "bytes": int}
"""What the notes have to tell."""


def read_notes(text: str, path: str) -> dict[str, Any]:
    """What a `.param` file tells behind its layers: inputs, outputs, metadata, bytes of weights.

    Args:
        text: the file's.
        path: the file, for messages.

    Raises:
        CaffeError: it is another converter's, is cut, or its layers do not hang together.
    """
    lines = text.splitlines()
    if lines[:1] != [MAGIC]:
        raise CaffeError(f"{path}: is no .param file of ncnn")
    if not lines[-1].startswith(NOTES):
        raise CaffeError(f"{path}: is cut, or not of this converter: its last line tells nothing")
    try:
        told = json.loads(lines[-1].removeprefix(NOTES))
        _check_notes(told)
        _check_layers(lines[1].split(), [line.split() for line in lines[2:-1]])
    except (ValueError, TypeError, LookupError) as error:
        raise CaffeError(f"{path}: is damaged: {error}") from error
    return dict(told)


def _check_notes(told: Any) -> None:
    for name, kind in _KINDS.items():
        if not isinstance(told[name], kind):
            raise TypeError(f"{name} is {told[name]!r}")
    shapes = [*told["inputs"].values(), *(each["shape"] for each in told["outputs"].values())]
    if not all(size is None or isinstance(size, int) for shape in shapes for size in shape):
        raise TypeError(f"shapes {shapes}")
    for each in told["outputs"].values():
        if each["holds"] not in (OF_IMAGE, OF_ALL, DETECTIONS):
            raise ValueError(f"an output holds {each['holds']!r}")


def _check_layers(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Refuse layers that read what is not made before, which ncnn would not survive."""
    layers, blobs = map(int, head)
    made: set[str] = set()
    for row in rows:
        ends = 4 + int(row[2]), 4 + int(row[2]) + int(row[3])
        read, names = row[4 : ends[0]], row[ends[0] : ends[1]]
        if len(row) < ends[1] or made.intersection(names) or not made.issuperset(read):
            raise ValueError(f"layer {row[1]!r} reads or makes what it cannot")
        made.update(names)
    if (layers, blobs) != (len(rows), len(made)):
        raise ValueError(f"{len(rows)} layers and {len(made)} blobs, not {layers} and {blobs}")
