"""A layer's fields, given as arguments, as the messages that a prototxt has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_fcn.caffe.definition import Fields
from keras_fcn.caffe.layers import LAYER_TYPES


def messages(kind: str, fields: Mapping[str, Any]) -> Fields:
    """Fields by the messages that they stand in; those that are None are left out."""
    own: dict[str, Any] = {}
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if name.endswith("_param"):
            found[name] = _given(value)
        else:
            own[name] = value
    if own:
        found[str(LAYER_TYPES[kind].message)] = _given(own)
    return Fields({name: given for name, given in found.items() if given})


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are not None; a shape is a message of its sizes."""
    given = {name: value for name, value in fields.items() if value is not None}
    shape = given.get("shape")
    if isinstance(shape, list | tuple) and not any(isinstance(one, Mapping) for one in shape):
        given["shape"] = {"dim": tuple(shape)}
    return given
