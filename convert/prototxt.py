"""Protobuf text format <-> Caffe messages.

An own reader, because it has to say on which line a layer stands, which
``google.protobuf.text_format`` does not tell. The grammar is the text format's:
``name: value``, nested ``{ }`` or ``< >``, lists ``[ ]``, adjacent strings
joined, ``#`` comments, ``,`` and ``;`` as optional separators.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from google.protobuf import text_encoding
from google.protobuf.descriptor import FieldDescriptor

from convert import schema
from convert.errors import PrototxtError

MAX_BYTES = 256 << 20
MAX_DEPTH = 64

_TOKEN = re.compile(
    r"""
      (?P<skip>  [\s,;]+ | \#[^\n]* )
    | (?P<string> "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' )
    | (?P<punct> [{}<>:\[\]] )
    | (?P<word>  [-+]? [A-Za-z0-9_.] (?: [A-Za-z0-9_.] | (?<=[eE])[-+] )* )
    """,
    re.VERBOSE,
)
_CLOSING = {"{": "}", "<": ">"}
_BOOLEANS = {"true": True, "True": True, "t": True, "1": True}
_BOOLEANS |= {"false": False, "False": False, "f": False, "0": False}
_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(1 << 31), (1 << 31) - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(1 << 63), (1 << 63) - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, (1 << 32) - 1),
}
_FLOATS = (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE)


@dataclass(frozen=True)
class ParsedNet:
    """A NetParameter read from text, with the line each layer starts on."""

    message: Any
    path: str
    layer_lines: tuple[int, ...]


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int


class _Reader:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str, path: str) -> None:
        self.text = text
        self.path = path
        self.layer_lines: list[int] = []
        self._counted = (0, 1)
        self._tokens = self._scan()
        self.token = next(self._tokens)

    def _scan(self) -> Iterator[_Token]:
        position = 0
        while position < len(self.text):
            match = _TOKEN.match(self.text, position)
            if match is None:
                self.fail(position, f"unexpected character {self.text[position]!r}")
            kind = match.lastgroup or ""
            if kind != "skip":
                yield _Token(kind, match.group(), position)
            position = match.end()
        end = _Token("end", "end of file", len(self.text))
        while True:
            yield end

    def line(self, position: int) -> int:
        """Line number of a position; positions are asked in growing order."""
        start, line = self._counted
        if position < start:
            start, line = 0, 1
        line += self.text.count("\n", start, position)
        self._counted = (position, line)
        return line

    def fail(self, position: int, problem: str) -> NoReturn:
        raise PrototxtError(f"{self.path}:{self.line(position)}: {problem}")

    def take(self) -> _Token:
        token = self.token
        self.token = next(self._tokens)
        return token

    def read(self, message: Any, closing: str | None = None, depth: int = 0) -> None:
        """Fill a message with the fields up to ``closing`` (None: end of file)."""
        if depth > MAX_DEPTH:
            self.fail(self.token.start, f"messages nested deeper than {MAX_DEPTH} levels")
        fields = message.DESCRIPTOR.fields_by_name
        while True:
            token = self.take()
            if token.kind == "end":
                if closing is None:
                    return
                self.fail(token.start, f"the file ends where a {closing!r} is missing")
            if token.text == closing and token.kind == "punct":
                return
            if token.kind != "word":
                self.fail(token.start, f"expected a field name, found {token.text!r}")
            field = fields.get(token.text)
            if field is None:
                self.fail(
                    token.start,
                    f"{message.DESCRIPTOR.name} has no field {token.text!r}; "
                    "remove it, or check its spelling",
                )
            if not field.is_repeated and message.HasField(field.name):
                self.fail(token.start, f"field {field.name!r} is given twice")
            if message.DESCRIPTOR.name == "NetParameter" and field.name in ("layer", "layers"):
                self.layer_lines.append(self.line(token.start))
            self._values(message, field, depth)

    def _values(self, message: Any, field: FieldDescriptor, depth: int) -> None:
        colon = self.token.kind == "punct" and self.token.text == ":"
        if colon:
            self.take()
        if self.token.kind == "punct" and self.token.text == "[":
            start = self.take().start
            if not field.is_repeated:
                self.fail(start, f"field {field.name!r} takes one value, not a list")
            while not (self.token.kind == "punct" and self.token.text == "]"):
                if self.token.kind == "end":
                    self.fail(start, "this list is not closed")
                self._value(message, field, colon, depth)
            self.take()
        else:
            self._value(message, field, colon, depth)

    def _value(self, message: Any, field: FieldDescriptor, colon: bool, depth: int) -> None:
        token = self.take()
        if field.message_type is not None:
            if token.text not in _CLOSING or token.kind != "punct":
                self.fail(token.start, f"field {field.name!r} is a message: expected '{{'")
            owner = getattr(message, field.name)
            child = owner.add() if field.is_repeated else owner
            if not field.is_repeated:
                child.SetInParent()
            self.read(child, _CLOSING[token.text], depth + 1)
            return
        if not colon:
            self.fail(token.start, f"expected ':' after field {field.name!r}")
        value = self._scalar(token, field)
        if field.is_repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)

    def _scalar(self, token: _Token, field: FieldDescriptor) -> Any:
        kind = field.cpp_type
        if kind == FieldDescriptor.CPPTYPE_STRING:
            return self._string(token, field)
        if token.kind == "word":
            if kind == FieldDescriptor.CPPTYPE_BOOL and token.text in _BOOLEANS:
                return _BOOLEANS[token.text]
            if kind == FieldDescriptor.CPPTYPE_ENUM:
                return self._enum(token, field)
            if kind in _INTEGERS:
                return self._integer(token, field)
            if kind in _FLOATS:
                return self._float(token, field)
        self.fail(token.start, f"field {field.name!r} cannot take the value {token.text}")

    def _string(self, token: _Token, field: FieldDescriptor) -> str:
        if token.kind != "string":
            self.fail(token.start, f"field {field.name!r} is a string: {token.text!r} needs quotes")
        parts = [token.text]
        while self.token.kind == "string":
            parts.append(self.take().text)
        try:
            return b"".join(text_encoding.CUnescape(part[1:-1]) for part in parts).decode("utf-8")
        except ValueError as error:
            self.fail(token.start, f"field {field.name!r}: bad string {token.text}: {error}")

    def _enum(self, token: _Token, field: Any) -> int:
        values = field.enum_type.values_by_name
        if token.text in values:
            return int(values[token.text].number)
        if token.text.isdigit() and int(token.text) in field.enum_type.values_by_number:
            return int(token.text)
        self.fail(
            token.start,
            f"field {field.name!r} cannot be {token.text!r}; it takes one of {', '.join(values)}",
        )

    def _integer(self, token: _Token, field: FieldDescriptor) -> int:
        text = token.text
        sign, digits = (text[0], text[1:]) if text[0] in "+-" else ("", text)
        octal = len(digits) > 1 and digits[0] == "0" and digits[1:].isdigit()
        try:
            number = int(sign + digits, 8 if octal else 0)
        except ValueError:
            self.fail(token.start, f"field {field.name!r} is an integer, not {text!r}")
        low, high = _INTEGERS[field.cpp_type]
        if not low <= number <= high:
            self.fail(token.start, f"field {field.name!r}: {text} is outside {low}..{high}")
        return number

    def _float(self, token: _Token, field: FieldDescriptor) -> float:
        text = token.text
        try:
            if "x" in text.lower():
                return float(int(text, 16))
            return float(text[:-1] if text[-1] in "fF" and text[-2:].lower() != "nf" else text)
        except ValueError:
            self.fail(token.start, f"field {field.name!r} is a number, not {text!r}")


def parse(text: str, message: Any, path: str = "<text>") -> _Reader:
    """Fill ``message`` from text; returns the reader, which knows the lines."""
    reader = _Reader(text, path)
    reader.read(message)
    return reader


def parse_net(text: str, path: str = "<text>") -> ParsedNet:
    """Read a NetParameter from prototxt text.

    Raises:
        PrototxtError: the text is not a network; the message has file and line.
    """
    if text.lstrip()[:1] == "<":
        raise PrototxtError(f"{path} is a web page, not a prototxt; download the file itself")
    message = schema.new("NetParameter")
    reader = parse(text, message, path)
    return ParsedNet(message, path, tuple(reader.layer_lines))


def read_text(path: str | Path) -> str:
    """Text of a prototxt file: UTF-8 (with or without a BOM), else Latin-1."""
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise PrototxtError(f"{path} has {size} bytes; a prototxt has at most {MAX_BYTES}")
        data = path.read_bytes()
    except OSError as error:
        raise PrototxtError(f"cannot read {path}: {error.strerror}") from error
    if not data.strip():
        raise PrototxtError(f"{path} is empty")
    if b"\0" in data:
        raise PrototxtError(f"{path} is a binary file, not a prototxt; is it the caffemodel?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def read_net(path: str | Path) -> ParsedNet:
    """Read a prototxt file into a NetParameter."""
    return parse_net(read_text(path), str(path))


def to_text(message: Any) -> str:
    """A message in protobuf text format, UTF-8 left readable."""
    from google.protobuf import text_format

    return text_format.MessageToString(message, as_utf8=True)
