"""The words of protobuf's text format: tokens with their places, and what they stand for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

from keras_fcn.caffe.definition import Word
from keras_fcn.caffe.errors import PrototxtError

CLOSING = {"{": "}", "<": ">"}

_MAX_DEPTH = 100  # as in protobuf
_MOST_PLAIN = 1_000_000  # values in unknown fields
_SHOWN = 60  # characters of a bad value that a message repeats

_SKIPPED = r"(?: \s++ | \#[^\n]*+ )*+"
_SKIP = re.compile(_SKIPPED, re.VERBOSE)
_TOKEN = re.compile(
    _SKIPPED
    + r"""
    (?:
      (?P<separator> [,;] )
    | (?P<string> "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' )
    | (?P<punct> [{}<>:\[\]] )
    | (?P<word>  (?:-\s*|\+)? [A-Za-z0-9_.] (?: [A-Za-z0-9_.] | (?<=[eE])[-+] )* )
    | (?P<end> \Z )
    )
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
_TRUTH = {"true": True, "True": True, "false": False, "False": False}
_INT64 = (-(1 << 63), (1 << 64) - 1)
_BASES = {_DECIMAL: 10, _HEXADECIMAL: 16, _OCTAL: 8}


def shorten(text: str) -> str:
    """A text short enough for a message."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


class Token(NamedTuple):
    """A word, string or sign; `separated`: a comma or semicolon stands before it."""

    kind: str
    text: str
    start: int
    separated: bool = False

    @property
    def shown(self) -> str:
        """The text, short enough for a message."""
        return shorten(self.text)

    def is_sign(self, *signs: str) -> bool:
        """Whether it is one of these signs."""
        return self.kind == "punct" and self.text in signs


class Lexer:
    """The tokens of one text, one after the other, and the lines they stand on."""

    def __init__(self, text: str, path: str) -> None:
        self.text = text
        self.path = path
        self._counted = (0, 1)
        self._depth = self._plain_values = 0
        self._tokens = self._scan()
        self.token = next(self._tokens)

    def _scan(self) -> Iterator[Token]:
        position = 0
        separated = False
        while (match := _TOKEN.match(self.text, position)) and match.lastgroup != "end":
            position = match.end()
            kind = match.lastgroup or ""
            if kind == "separator":
                separated = True
                continue
            text = match[kind]
            if kind == "word" and text[0] == "-":
                text = f"-{text[1:].lstrip()}"
            yield Token(kind, text, match.start(kind), separated)
            separated = False
        if match is None:
            skipped = _SKIP.match(self.text, position)
            position = position if skipped is None else skipped.end()
            self.fail(position, f"unexpected character {self.text[position]!r}")
        end = Token("end", "end of file", len(self.text))
        while True:
            yield end

    def take(self) -> Token:
        """The next token, which is then passed."""
        token = self.token
        self.token = next(self._tokens)
        return token

    def plain_value(self) -> Any:
        """The value of an unknown field, as plain Python: a scalar, a message or a list.

        Returns:
            A number or bool, a str (a string, or a word such as an enum's label), a tuple
            (a list), or a dict of such values (a message; a field that is given several
            times is a tuple of its values).
        """
        first = self.take()
        self._plain_values += 1
        if self._plain_values > _MOST_PLAIN:
            self.fail(first.start, f"more than {_MOST_PLAIN} values in fields that are unknown")
        if first.kind == "word":
            return _plain_word(first.text)
        if first.kind == "string":
            return self._plain_string(first)
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            self.fail(first.start, f"more than {_MAX_DEPTH} messages in one another")
        if first.is_sign("["):
            value: Any = self._plain_list(first)
        elif first.is_sign(*CLOSING):
            value = self._plain_message(CLOSING[first.text])
        else:
            self.fail(first.start, f"expected a value, found {first.shown!r}")
        self._depth -= 1
        return value

    def _plain_string(self, token: Token) -> str:
        parts = [token.text]
        while self.token.kind == "string" and not self.token.separated:
            parts.append(self.take().text)
        try:
            return b"".join(unescape(part[1:-1]) for part in parts).decode("utf-8", "replace")
        except ValueError as error:
            self.fail(token.start, f"bad string {token.shown}: {error}")

    def _plain_list(self, opening: Token) -> tuple[Any, ...]:
        values = []
        while not self.token.is_sign("]"):
            if self.token.kind == "end":
                self.fail(self.token.start, "the file ends where a ']' is missing")
            values.append(self.plain_value())
        self.take()
        return tuple(values)

    def _plain_message(self, closing: str) -> dict[str, Any]:
        found: dict[str, list[Any]] = {}
        lists = set()
        while True:
            name = self.take()
            if name.kind == "end":
                self.fail(name.start, f"the file ends where a {closing!r} is missing")
            if name.is_sign(closing):
                break
            if name.kind != "word":
                self.fail(name.start, f"expected a field name, found {name.shown!r}")
            if not self.token.is_sign(":", "{", "<", "["):
                self.fail(name.start, f"field {name.shown!r} has no value")
            if self.token.is_sign(":"):
                self.take()
            is_list = self.token.is_sign("[")
            value = self.plain_value()
            values = found.setdefault(name.text, [])
            if is_list:
                lists.add(name.text)
                values.extend(value)
            else:
                values.append(value)
        return {
            name: tuple(values) if name in lists or len(values) > 1 else values[0]
            for name, values in found.items()
        }

    def line(self, position: int) -> int:
        """Line number of a position; positions are asked in growing order."""
        start, line = self._counted
        if position < start:
            start, line = 0, 1
        line += self.text.count("\n", start, position)
        self._counted = (position, line)
        return line

    def fail(self, position: int, problem: str) -> NoReturn:
        """Raise the error that names file and line."""
        raise PrototxtError(f"{self.path}:{self.line(position)}: {problem}")


def to_integer(text: str, low: int, high: int) -> int | None:
    """The number of a decimal, hexadecimal or octal word; None where it is not one.

    Raises:
        ValueError: it is outside the range.
    """
    base = next((base for form, base in _BASES.items() if form.fullmatch(text)), None)
    if base is None:
        return None
    if len(text) > _SHOWN or not low <= (number := int(text, base)) <= high:
        raise ValueError(f"{shorten(text)} is outside {low}..{high}")
    return number


def to_float(text: str) -> float | None:
    """The number of a word, also `inf`, `nan` or `1f`; None where it is not one."""
    match = _FLOAT.fullmatch(text)
    return None if match is None else float(match[1])


def _plain_word(text: str) -> int | float | bool | str:
    """A word of an unknown field: a number, true or false, else a label."""
    if text in _TRUTH:
        return _TRUTH[text]
    try:
        number = to_integer(text, *_INT64)
    except ValueError:  # as large as only a float can be
        number = None
    value = to_float(text) if number is None else number
    return Word(text) if value is None else value


def unescape(text: str) -> bytes:
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
