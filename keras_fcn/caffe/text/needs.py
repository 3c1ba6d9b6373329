"""Unknown fields of a prototxt that a network needs: a layer might compute something else."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

from keras_fcn.caffe.definition import LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import DIALECTS, LAYER_TYPES, LayerParams
from keras_fcn.caffe.layers.custom import CustomLayer, python_layer
from keras_fcn.caffe.layers.data import DataLayer
from keras_fcn.caffe.proto.fields import fields_of
from keras_fcn.caffe.proto.upgrade import v1_type_name
from keras_fcn.caffe.text.reader import Unknown

_LAYERS = {"layer", "layers"}
_RULES = {"include", "exclude"}
_V0 = "layer"
_TRAINING = {"param"}  # what stands in it says how a layer is trained
_PICTURES = {"transform_param"}  # how data layers change pictures
_NEARLY = 0.85  # of 1
_FILLERS = "FillerParameter"
_MADE = {"data_filler"}  # what it fills is a top
_PASSING = (DataLayer, CustomLayer)  # they take all fields as they are


def is_needed(unknown: Unknown, keeps: Callable[[Any], bool] | None) -> bool:
    """Whether an unknown field makes a network another one, so that it cannot be left out.

    Not needed is what stands at the top of the net or of a layer, where forks put the
    parameters of their own types and settings, but for what is nearly the name of the
    layer's own message; anything in layers that the state leaves
    out, in data layers, and in layers of unknown type, which cannot be built anyway; what
    fills blobs that are not loaded; and which code computes a layer.

    Args:
        unknown: the field, or the enum's value.
        keeps: whether the state keeps a layer; None keeps all.
    """
    if not unknown.path:
        return False
    outermost, *inner = unknown.path
    if outermost not in _LAYERS:
        return True
    layer = unknown.outermost
    if inner and inner[0] in _RULES:
        return True
    if not is_kept(layer, keeps):
        return False
    kind = _type(layer)
    if not inner:
        return unknown.field == "type" or not kind or _is_misspelt(unknown.field, kind)
    if _fills_weights(unknown) or unknown.field == "engine":
        return False
    if inner[0] == _V0:
        return True
    return inner[0] not in _TRAINING | _PICTURES and _reads_parameters(kind)


def _is_misspelt(name: str, kind: str) -> bool:
    """Whether a field of a layer is nearly the message of its type, whose values it would lose."""
    known = [LAYER_TYPES.get(kind), *DIALECTS.get(kind, {}).values()]
    messages = {
        message
        for cls in known
        if cls is not None
        for message in (cls.message, *getattr(cls, "messages", ()))
        if message is not None
    }
    return bool(difflib.get_close_matches(name, messages, 1, _NEARLY))


def _fills_weights(unknown: Unknown) -> bool:
    return unknown.message == _FILLERS and unknown.path[-1] not in _MADE


def is_kept(layer: Any, keeps: Callable[[Any], bool] | None) -> bool:
    """Whether the state keeps a layer."""
    try:
        return keeps is None or keeps(layer)
    except NetworkError:  # its rules are wrong, which building the net will say
        return True


def _type(layer: Any) -> str:
    """The type's current name; empty where it has none."""
    if isinstance(layer.type, str):
        return layer.type
    if not layer.HasField("type"):
        return ""
    label = layer.DESCRIPTOR.fields_by_name["type"].enum_type.values_by_number[layer.type].name
    return v1_type_name(label)


def _reads_parameters(kind: str) -> bool:
    known = LAYER_TYPES.get(kind)
    return kind in DIALECTS or (known is not None and not issubclass(known, _PASSING))


def is_ours(layer: Any) -> bool:
    """Whether a layer is of a type that is built in, and reads its fields one by one."""
    kind = _type(layer)
    known = _class(layer, kind)
    return kind in DIALECTS or (known is not None and not issubclass(known, _PASSING))


def is_registered(unknown: Unknown) -> bool:
    """Whether a field's layer is of a type that the user registered, which gets all fields."""
    if unknown.layer is None:
        return False
    known = _class(unknown.outermost, _type(unknown.outermost))
    return known is not None and issubclass(known, CustomLayer)


def _class(layer: Any, kind: str) -> type[LayerParams] | None:
    fields = fields_of(layer.python_param).within("python_param")
    known = python_layer(LayerDefinition(layer.name, kind, fields=fields))
    return (known if kind == "Python" else None) or LAYER_TYPES.get(kind)
