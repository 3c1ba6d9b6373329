"""Fields of layers that the schema lacks: carried along with the messages, and written back.

A registered type finds its parameters in them, and text that is written holds what was read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import text_format

from keras_fcn.caffe.definition import Word

FIELD = "unread"
"""The layers' field that holds them; text cannot name it."""
_WORD = ""  # marks a word in JSON: no field has an empty name


def store(layer: Any, data: Mapping[str, Any]) -> None:
    """Let a layer's message carry fields, as plain data."""
    setattr(layer, FIELD, json.dumps(_to_json(data)))


def stored(layer: Any) -> dict[str, Any]:
    """The fields that a layer's message carries: field -> number, bool, str, tuple or dict."""
    text = getattr(layer, FIELD, "")
    return _from_json(json.loads(text)) if text else {}


def merged(known: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Both together, one within the other where a message has fields of both kinds."""
    result = dict(known)
    for name, value in others.items():
        inner = result.get(name)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping)
        result[name] = merged(inner, value) if both else value  # type: ignore[arg-type]
    return result


def to_text(layer: Any) -> str:
    """A layer in protobuf text format, with the fields that it carries where they stood."""
    data = stored(layer)
    if not data:
        return text_format.MessageToString(layer, as_utf8=True)
    plain = type(layer)()
    plain.CopyFrom(layer)
    plain.ClearField(FIELD)
    lines = text_format.MessageToString(plain, as_utf8=True).splitlines()
    _insert(lines, data, "")
    return "".join(f"{line}\n" for line in lines)


def _insert(lines: list[str], data: Mapping[str, Any], pad: str) -> None:
    for name, value in data.items():
        places = [index for index, line in enumerate(lines) if line == f"{pad}{name} {{"]
        if not isinstance(value, Mapping) or not places:
            lines.extend(_lines(name, value, pad))
        elif len(places) == 1:  # of several it is not known which one had the field
            start = places[0] + 1
            end = lines.index(f"{pad}}}", start)
            inner = lines[start:end]
            _insert(inner, value, f"{pad}  ")
            lines[start:end] = inner


def _lines(name: str, value: Any, pad: str) -> Iterator[str]:
    if isinstance(value, tuple):
        for item in value:
            yield from _lines(name, item, pad)
    elif isinstance(value, Mapping):
        yield f"{pad}{name} {{"
        for key, item in value.items():
            yield from _lines(key, item, f"{pad}  ")
        yield f"{pad}}}"
    else:
        yield f"{pad}{name}: {_scalar(value)}"


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and not isinstance(value, Word):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    return str(value)


def _to_json(value: Any) -> Any:
    if isinstance(value, Word):
        return {_WORD: str(value)}
    if isinstance(value, Mapping):
        return {key: _to_json(item) for key, item in value.items()}
    return [_to_json(item) for item in value] if isinstance(value, tuple) else value


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        if _WORD in value:
            return Word(value[_WORD])
        return {key: _from_json(item) for key, item in value.items()}
    return tuple(_from_json(item) for item in value) if isinstance(value, list) else value
