"""Messages <-> `Fields`, and the text of these."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.text_encoding import CEscape

from keras_fcn.caffe.definition import Fields, Word, single
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.proto import schema

_FLOAT, _ENUM = FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_ENUM
_KINDS: dict[int, tuple[str, tuple[type, ...]]] = {
    FieldDescriptor.CPPTYPE_BOOL: ("true or false", (bool,)),
    FieldDescriptor.CPPTYPE_INT32: ("an integer", (int,)),
    FieldDescriptor.CPPTYPE_INT64: ("an integer", (int,)),
    FieldDescriptor.CPPTYPE_UINT32: ("an integer from 0 on", (int,)),
    FieldDescriptor.CPPTYPE_FLOAT: ("a number", (int, float)),
    FieldDescriptor.CPPTYPE_DOUBLE: ("a number", (int, float)),
    FieldDescriptor.CPPTYPE_STRING: ("a string", (str, bytes)),
    FieldDescriptor.CPPTYPE_ENUM: ("a label", (str,)),
    FieldDescriptor.CPPTYPE_MESSAGE: ("a message", (Fields,)),
}
_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(1 << 31), (1 << 31) - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(1 << 63), (1 << 63) - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, (1 << 32) - 1),
}


def descriptor(message: str) -> Descriptor:
    """Describe a type of message."""
    found: Descriptor = schema.new(message).DESCRIPTOR
    return found


# ---- messages -------------------------------------------------------------------------


def fields_of(message: Any, *but: str) -> Fields:
    """The fields that a message sets, but for some."""
    return Fields(
        {
            field.name: value_of(field, value)
            for field, value in message.ListFields()
            if field.name not in but
        }
    )


def value_of(field: FieldDescriptor, value: Any) -> Any:
    """A protobuf field's value as `Fields` hold it."""
    if field.message_type is not None:
        return tuple(map(fields_of, value)) if field.is_repeated else fields_of(value)
    if field.enum_type is not None:
        labels = field.enum_type.values_by_number
        known = [Word(labels[x].name) for x in (value if field.is_repeated else (value,))]
        return tuple(known) if field.is_repeated else known[0]
    return tuple(value) if field.is_repeated else value


def fill(message: Any, fields: Fields) -> None:
    """Set a message's fields; what its type lacks is left out.

    Raises:
        NetworkError: a field cannot hold its value.
    """
    known = message.DESCRIPTOR.fields_by_name
    for name, value in fields.items():
        field = known.get(name)
        if field is None:
            continue
        values = values_for(field, value)
        owner = getattr(message, name)
        if field.message_type is not None:
            for item in values:
                inner = owner.add() if field.is_repeated else owner
                inner.SetInParent()
                fill(inner, item)
            continue
        if field.cpp_type == _ENUM:
            values = tuple(field.enum_type.values_by_name[label].number for label in values)
        if field.is_repeated:
            owner.extend(values)
        else:
            setattr(message, name, values[0])


def values_for(field: FieldDescriptor, value: Any) -> tuple[Any, ...]:
    """The values of a field, one or several.

    Raises:
        NetworkError: it cannot hold them.
    """
    values = value if isinstance(value, tuple) else (value,)
    if field.is_repeated == isinstance(value, tuple) and all(_fits(field, x) for x in values):
        return values
    kind = _KINDS[field.cpp_type][0] + (", several times" if field.is_repeated else "")
    raise NetworkError(f"field {field.name!r} takes {kind}, not {value!r}")


def _fits(field: FieldDescriptor, value: Any) -> bool:
    types = _KINDS[field.cpp_type][1]
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        return False
    if field.enum_type is not None:
        return value in field.enum_type.values_by_name
    bounds = _RANGES.get(field.cpp_type)
    return bounds is None or bool(bounds[0] <= value <= bounds[1])  # type: ignore[operator]


# ---- text -----------------------------------------------------------------------------


def text_of(fields: Fields, kind: Descriptor | None, pad: str = "") -> Iterator[str]:
    """The lines of fields in protobuf's text format, UTF-8 left readable.

    They come in the order of their numbers, those that the schema lacks last.

    Args:
        fields: the fields.
        kind: the type of their message, None where the schema lacks it.
        pad: what each line begins with.

    Raises:
        NetworkError: a field cannot hold its value.
    """
    known = kind.fields_by_name if kind is not None else {}
    numbers = {name: known[name].number for name in fields if name in known}
    for name in sorted(fields, key=lambda name: numbers.get(name, math.inf)):
        field, value = known.get(name), fields[name]
        if field is not None:
            values = values_for(field, value)
        else:
            values = value if isinstance(value, tuple) else (value,)
        for item in values:
            if isinstance(item, Fields):
                yield f"{pad}{name} {{"
                yield from text_of(item, None if field is None else field.message_type, f"{pad}  ")
                yield f"{pad}}}"
            else:
                yield f"{pad}{name}: {_text(item, field)}"


def _text(value: Any, field: FieldDescriptor | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Word) or (field is not None and field.cpp_type == _ENUM):
        return str(value)
    if isinstance(value, str | bytes):
        data = value.encode() if isinstance(value, str) else value
        return f'"{CEscape(data, isinstance(value, str))}"'
    return shortest(value) if field is not None and field.cpp_type == _FLOAT else str(value)


def shortest(value: float) -> str:
    """The shortest decimals that are read as a float32 of this value."""
    wanted = single(value)
    if not math.isfinite(wanted):
        return str(wanted)
    texts = (f"{wanted:.{digits}g}" for digits in range(6, 10))
    return str(next(x for x in map(float, texts) if single(x) == wanted))
