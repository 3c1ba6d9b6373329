"""`Fields` of the prototxt <-> the values of typed parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from keras_fcn.caffe.definition import Fields, Word, single
from keras_fcn.caffe.proto import forks, schema
from keras_fcn.caffe.records import dataclass

LAYER = "LayerParameter"
_FILLER, _SHAPE = "FillerParameter", "BlobShape"


@dataclass(frozen=True)
class Filler:
    """`FillerParameter`: how Caffe fills a blob that is not loaded."""

    type: str = "constant"
    value: float = 0.0
    min: float = 0.0
    max: float = 1.0
    mean: float = 0.0
    std: float = 1.0
    sparse: int = -1
    variance_norm: str = "FAN_IN"


def plain(value: Any, kind: str | None) -> Any:
    """A field's value as plain Python: labels, tuples, Fillers, shapes, dictionaries.

    Args:
        value: as `Fields` hold it.
        kind: what the field holds, see `keras_fcn.caffe.proto.schema.kinds`.
    """
    if isinstance(value, tuple):
        return tuple(plain(item, kind) for item in value)
    if not isinstance(value, Fields):
        return str(value) if isinstance(value, Word) and kind is not None else value
    if kind == _FILLER:
        return filler(value)
    return value.get("dim", ()) if kind == _SHAPE else dictionary(value, kind)


def dictionary(fields: Fields, kind: str | None) -> dict[str, Any]:
    """Fields of a type of message as a dictionary of plain values."""
    kinds = schema.kinds(kind)
    return {name: plain(value, kinds.get(name)) for name, value in fields.items()}


def filler(fields: Fields) -> Filler:
    """A FillerParameter.

    Raises:
        NetworkError: it has a field that is not BVLC Caffe's.
    """
    for name in fields:
        if name not in Filler.__dataclass_fields__:
            raise forks.refuse(_FILLER, name)
    return Filler(**dictionary(fields, _FILLER))


def held(value: Any, kind: str | None) -> Any:
    """The inverse of `plain`: a value as `Fields` hold it, numbers as float32."""
    if kind == _SHAPE and not _is_several(value):
        return Fields(dim=value)
    if isinstance(value, list | tuple):
        return tuple(held(item, kind) for item in value)
    if isinstance(value, Mapping):
        kinds = schema.kinds(kind)
        return Fields({name: held(item, kinds.get(name)) for name, item in value.items()})
    if dataclasses.is_dataclass(value):
        return changed(value, kind)
    return single(value) if kind == "float" else value


def _is_several(value: Any) -> bool:
    return any(isinstance(item, list | tuple) for item in value)


def changed(params: Any, kind: str | None, always: frozenset[str] = frozenset()) -> Fields:
    """The fields of a message that a dataclass sets to other values than its defaults.

    Args:
        params: the dataclass; its fields that the message lacks are left out.
        kind: the type of the message.
        always: fields that are written whatever they hold.
    """
    kinds = schema.kinds(kind)
    return Fields(
        {
            field.name: held(value, kinds[field.name])
            for field in dataclasses.fields(params)
            if field.name in kinds
            and (value := getattr(params, field.name)) is not None
            and (field.name in always or value != default(field))
        }
    )


def default(field: dataclasses.Field[Any]) -> Any:
    """A dataclass field's default; `dataclasses.MISSING` where it has none."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default
