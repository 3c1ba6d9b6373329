"""SSD's label maps: prototxt files of `item { name: ... label: ... display_name: ... }`."""

from __future__ import annotations

import re

from keras_fcn.caffe.errors import PrototxtError
from keras_fcn.caffe.proto import schema
from keras_fcn.caffe.text.prototxt import parse

__all__ = ["is_label_map", "label_map_names"]

_START = re.compile(r"(\s|#[^\n]*\n)*item\s*:?\s*\{")


def is_label_map(text: str) -> bool:
    """Whether a text begins as a label map does."""
    return _START.match(text) is not None


def label_map_names(text: str, path: str) -> tuple[str, ...]:
    """Names of a label map's classes, by their labels.

    The display name goes before the name, which may be a code such as `n02691156`. Labels count
    from 0, or from 1 where the background has none. TensorFlow's maps have `id` for `label`.

    Args:
        text: the label map.
        path: its name, for messages.

    Raises:
        PrototxtError: it is none, or its labels are not 0, 1, 2 and so on.
    """
    message = schema.new("LabelMap")
    for unknown in parse(text, message, path).unknown:
        raise PrototxtError(f"{path}:{unknown.line}: {unknown.problem}; {unknown.advice}")
    found: dict[int, str] = {}
    for item in message.item:
        label = item.label if item.HasField("label") else item.id
        if found.setdefault(label, item.display_name or item.name) == "":
            raise PrototxtError(f"{path}: the item of label {label} has no name")
    labels, count = sorted(found), len(message.item)
    if labels not in ([*range(count)], [*range(1, count + 1)]):
        raise PrototxtError(
            f"{path}: labels of a label map count from 0, or from 1, each once. "
            f"Received: {[item.label or item.id for item in message.item]}"
        )
    return tuple(found[label] for label in labels)
