"""Messages <-> `Fields`, and the text of these."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache
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
    FieldDescriptor.CPPTYPE_STRING: ("a string", (str,)),
    FieldDescriptor.CPPTYPE_ENUM: ("a label", (str,)),
    FieldDescriptor.CPPTYPE_MESSAGE: ("a message", (Fields,)),
}
_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: range(-(1 << 31), 1 << 31),
    FieldDescriptor.CPPTYPE_INT64: range(-(1 << 63), 1 << 63),
    FieldDescriptor.CPPTYPE_UINT32: range(1 << 32),
}


def descriptor(message: str) -> Descriptor:
    """Describe a type of message."""
    found: Descriptor = schema.new(message).DESCRIPTOR
    return found


# ---- messages -------------------------------------------------------------------------


def fields_of(message: Any, but: frozenset[str] = frozenset()) -> Fields:
    """The fields that a message sets, but for some."""
    values = {}
    for field, value in message.ListFields():
        name, is_repeated, convert = _conversion(field)
        if name in but:
            continue
        if is_repeated:
            values[name] = tuple(map(convert, value)) if convert else tuple(value)
        else:
            values[name] = convert(value) if convert else value
    return Fields.of_plain(values)


def value_of(field: FieldDescriptor, value: Any) -> Any:
    """A protobuf field's value as `Fields` hold it."""
    _, is_repeated, convert = _conversion(field)
    if convert is None:
        return tuple(value) if is_repeated else value
    return tuple(map(convert, value)) if is_repeated else convert(value)


@cache
def _conversion(field: FieldDescriptor) -> tuple[str, bool, Callable[[Any], Any] | None]:
    """A field's name, whether it is repeated, and what converts a value; None: nothing."""
    convert: Callable[[Any], Any] | None = None
    if field.message_type is not None:
        convert = fields_of
    elif field.enum_type is not None:
        labels = {x.number: Word(x.name) for x in field.enum_type.values}
        convert = labels.__getitem__
    else:
        convert = _CONVERSIONS.get(field.cpp_type)
    return field.name, field.is_repeated, convert


def _number(value: float) -> float:
    return value if value == value else math.nan  # one NaN, equal to itself


def _string(value: str | bytes) -> str:
    """A string; one that is no UTF-8, such as a path in a binary file, is taken for Latin-1."""
    return value if isinstance(value, str) else value.decode("latin-1")


_CONVERSIONS: dict[int, Callable[[Any], Any]] = {
    FieldDescriptor.CPPTYPE_FLOAT: _number,
    FieldDescriptor.CPPTYPE_DOUBLE: _number,
    FieldDescriptor.CPPTYPE_STRING: _string,
}


def fill(message: Any, fields: Fields) -> None:
    """Set a message's fields; fields and words that its type lacks are left out.

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
            labels = field.enum_type.values_by_name
            values = tuple(labels[label].number for label in values if label in labels)
        if field.is_repeated:
            owner.extend(values)
        elif values:
            setattr(message, name, values[0])


def values_for(field: FieldDescriptor, value: Any) -> tuple[Any, ...]:
    """The values of a field, one or several.

    Raises:
        NetworkError: it cannot hold them.
    """
    values = value if isinstance(value, tuple) else (value,)
    if field.is_repeated == isinstance(value, tuple) and all(_fits(field, x) for x in values):
        return values
    kind = _KINDS[field.cpp_type][0]
    if field.is_repeated:
        kind += ", in a tuple"
    if field.enum_type is not None:
        kind += f" of {', '.join(field.enum_type.values_by_name)}"
    raise NetworkError(f"field {field.name!r} takes {kind}, not {value!r}")


def _fits(field: FieldDescriptor, value: Any) -> bool:
    types = _KINDS[field.cpp_type][1]
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        return False
    if field.enum_type is not None:
        return value in field.enum_type.values_by_name or isinstance(value, Word)
    allowed = _RANGES.get(field.cpp_type)
    return allowed is None or value in allowed


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
    known = _numbered(kind)
    for name in sorted(fields, key=lambda name: known.get(name, _LAST)[0]):
        value = fields[name]
        _, field = known.get(name, _LAST)
        values = value if isinstance(value, tuple) else (value,)
        if field is not None:
            values = values_for(field, value)
        inner = None if field is None else field.message_type
        for item in values:
            if type(item) is Fields:
                yield f"{pad}{name} {{"
                yield from text_of(item, inner, f"{pad}  ")
                yield f"{pad}}}"
            else:
                yield f"{pad}{name}: {_text(item, field)}"


_LAST = (math.inf, None)


@cache
def _numbered(kind: Descriptor | None) -> dict[str, tuple[float, FieldDescriptor | None]]:
    """The fields of a type of message, with their numbers."""
    return {} if kind is None else {field.name: (field.number, field) for field in kind.fields}


def _text(value: Any, field: FieldDescriptor | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    kind = None if field is None else field.cpp_type
    if isinstance(value, Word) or kind == _ENUM:
        return str(value)
    if isinstance(value, str):
        return f'"{CEscape(_encoded(value), as_utf8=True)}"'
    return shortest(value) if kind == _FLOAT else str(value)


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise NetworkError(f"{text!r} is not plain text") from None


def shortest(value: float) -> str:
    """The shortest decimals that are read as a float32 of this value."""
    wanted = single(value)
    if not math.isfinite(wanted):
        return str(wanted)
    texts = (f"{wanted:.{digits}g}" for digits in range(6, 10))
    return str(next(x for x in map(float, texts) if single(x) == wanted))
