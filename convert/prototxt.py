"""Protobuf text format <-> Caffe messages.

An own reader, because it has to say on which line a layer stands, which
``google.protobuf.text_format`` does not tell. The grammar is the text format's:
``name: value``, nested ``{ }`` or ``< >``, lists ``[ ]``, adjacent strings
joined, ``#`` comments, ``,`` and ``;`` as optional separators.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from google.protobuf.descriptor import FieldDescriptor

from convert import schema
from convert.errors import PrototxtError

MAX_BYTES = 256 << 20

_SHOWN = 60  # characters of a bad value that a message repeats
_SOLVER_FIELDS = {"net", "train_net", "test_net", "test_iter", "base_lr", "lr_policy", "max_iter"}

_TOKEN = re.compile(
    r"""
      (?P<skip>  \s+ | \#[^\n]* )
    | (?P<separator> [,;] )
    | (?P<string> "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' )
    | (?P<punct> [{}<>:\[\]] )
    | (?P<word>  [-+]? [A-Za-z0-9_.] (?: [A-Za-z0-9_.] | (?<=[eE])[-+] )* )
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|(.))", re.DOTALL)
_ESCAPED = dict(zip(b"abfnrtv\\'\"?", b"\a\b\f\n\r\t\v\\'\"?", strict=True))
_HEXADECIMAL = re.compile(r"[-+]?0[xX][0-9a-fA-F]+")
_OCTAL = re.compile(r"[-+]?0[0-7]+")
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(
    r"([-+]? (?: inf(?:inity)? | nan | (?:[0-9]+\.?[0-9]*|\.[0-9]+) (?:e[-+]?[0-9]+)? )) f?",
    re.IGNORECASE | re.VERBOSE,
)
_BASES = {_DECIMAL: 10, _HEXADECIMAL: 16, _OCTAL: 8}
_OTHERS = {"<": "a web page", "{": "JSON", "[": "JSON"}  # what begins like this
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
    """A word, string or sign; ``separated``: a comma or semicolon stands before it."""

    kind: str
    text: str
    start: int
    separated: bool = False

    @property
    def shown(self) -> str:
        """The text, short enough for a message."""
        return self.text if len(self.text) <= _SHOWN else f"{self.text[:_SHOWN]}..."


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
        separated = False
        while position < len(self.text):
            match = _TOKEN.match(self.text, position)
            if match is None:
                self.fail(position, f"unexpected character {self.text[position]!r}")
            kind = match.lastgroup or ""
            if kind == "separator":
                separated = True
            elif kind != "skip":
                yield _Token(kind, match.group(), position, separated)
                separated = False
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

    def read(self, message: Any, closing: str | None = None) -> None:
        """Fill a message with the fields up to ``closing`` (None: end of file)."""
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
                self.fail(token.start, f"expected a field name, found {token.shown!r}")
            field = fields.get(token.text)
            if field is None:
                name = message.DESCRIPTOR.name
                advice = "remove it, or check its spelling"
                if name == "NetParameter" and token.text in _SOLVER_FIELDS:
                    advice = "this is a solver; give the network that it names"
                self.fail(token.start, f"{name} has no field {token.shown!r}; {advice}")
            if not field.is_repeated and message.HasField(field.name):
                self.fail(token.start, f"field {field.name!r} is given twice")
            self._values(message, field)

    def _values(self, message: Any, field: FieldDescriptor) -> None:
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
                self._value(message, field, colon)
            self.take()
        else:
            self._value(message, field, colon)

    def _value(self, message: Any, field: FieldDescriptor, colon: bool) -> None:
        token = self.take()
        if field.message_type is not None:
            if token.text not in _CLOSING or token.kind != "punct":
                self.fail(token.start, f"field {field.name!r} is a message: expected '{{'")
            if message.DESCRIPTOR.name == "NetParameter" and field.name in ("layer", "layers"):
                self.layer_lines.append(self.line(token.start))
            owner = getattr(message, field.name)
            child = owner.add() if field.is_repeated else owner
            if not field.is_repeated:
                child.SetInParent()
            self.read(child, _CLOSING[token.text])
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
        self.fail(token.start, f"field {field.name!r} cannot take the value {token.shown}")

    def _string(self, token: _Token, field: FieldDescriptor) -> str:
        if token.kind != "string":
            self.fail(
                token.start, f"field {field.name!r} is a string: {token.shown!r} needs quotes"
            )
        parts = [token.text]
        while self.token.kind == "string" and not self.token.separated:
            parts.append(self.take().text)
        try:
            return b"".join(_unescape(part[1:-1]) for part in parts).decode("utf-8")
        except ValueError as error:
            self.fail(token.start, f"field {field.name!r}: bad string {token.shown}: {error}")

    def _enum(self, token: _Token, field: Any) -> int:
        values = field.enum_type.values_by_name
        if token.text in values:
            return int(values[token.text].number)
        numbers = {str(value.number): int(value.number) for value in values.values()}
        if token.text in numbers:
            return numbers[token.text]
        self.fail(
            token.start,
            f"field {field.name!r} cannot be {token.shown!r}; it takes one of {', '.join(values)}",
        )

    def _integer(self, token: _Token, field: FieldDescriptor) -> int:
        base = next((base for form, base in _BASES.items() if form.fullmatch(token.text)), None)
        if base is None:
            self.fail(token.start, f"field {field.name!r} is an integer, not {token.shown!r}")
        low, high = _INTEGERS[field.cpp_type]
        if len(token.text) > _SHOWN or not low <= (number := int(token.text, base)) <= high:
            self.fail(token.start, f"field {field.name!r}: {token.shown} is outside {low}..{high}")
        return number

    def _float(self, token: _Token, field: FieldDescriptor) -> float:
        match = _FLOAT.fullmatch(token.text)
        if match is None:
            self.fail(token.start, f"field {field.name!r} is a number, not {token.shown!r}")
        return float(match[1])


def _unescape(text: str) -> bytes:
    """The bytes of a string's inside.

    Raises:
        ValueError: an escape does not exist.
    """

    def byte(match: re.Match[bytes]) -> bytes:
        octal, hexadecimal, letter = match.groups()
        if letter is None:
            return bytes([int(octal, 8) if octal else int(hexadecimal, 16)])
        if letter[0] not in _ESCAPED:
            raise ValueError(f"unknown escape {match.group().decode(errors='replace')}")
        return bytes([_ESCAPED[letter[0]]])

    return _ESCAPE.sub(byte, text.encode())


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
    other = _OTHERS.get(text.lstrip()[:1])
    if other is not None:
        raise PrototxtError(f"{path} is {other}, not a prototxt; get the network's own file")
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
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise PrototxtError(f"{path} is UTF-16 text; save it as UTF-8")
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
