"""The words of protobuf's text format: tokens with their places, and what they stand for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from convert.errors import PrototxtError

CLOSING = {"{": "}", "<": ">"}

_MAX_DEPTH = 100  # as in protobuf
_SHOWN = 60  # characters of a bad value that a message repeats

_TOKEN = re.compile(
    r"""
      (?P<skip>  \s+ | \#[^\n]* )
    | (?P<separator> [,;] )
    | (?P<string> "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' )
    | (?P<punct> [{}<>:\[\]] )
    | (?P<word>  (?:-\s*|\+)? [A-Za-z0-9_.] (?: [A-Za-z0-9_.] | (?<=[eE])[-+] )* )
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


def shorten(text: str) -> str:
    """A text short enough for a message."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


@dataclass(frozen=True)
class Token:
    """A word, string or sign; ``separated``: a comma or semicolon stands before it."""

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
        self._tokens = self._scan()
        self.token = next(self._tokens)

    def _scan(self) -> Iterator[Token]:
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
                text = match.group()
                if kind == "word" and text[0] == "-":
                    text = f"-{text[1:].lstrip()}"
                yield Token(kind, text, position, separated)
                separated = False
            position = match.end()
        end = Token("end", "end of file", len(self.text))
        while True:
            yield end

    def take(self) -> Token:
        """The next token, which is then passed."""
        token = self.token
        self.token = next(self._tokens)
        return token

    def skip_value(self) -> None:
        """Pass over the value of an unknown field: a scalar, a message or a list."""
        first = self.take()
        if first.kind in ("word", "string"):
            while first.kind == self.token.kind == "string" and not self.token.separated:
                self.take()
            return
        closing = [self._closer(first)]
        while closing:
            token = self.take()
            if token.kind == "end":
                self.fail(token.start, f"the file ends where a {closing[-1]!r} is missing")
            if token.is_sign(closing[-1]):
                closing.pop()
            elif token.kind == "punct" and token.text != ":":
                closing.append(self._closer(token))
            if len(closing) > _MAX_DEPTH:
                self.fail(token.start, f"more than {_MAX_DEPTH} messages in one another")

    def _closer(self, token: Token) -> str:
        signs = CLOSING | {"[": "]"}
        if not token.is_sign(*signs):
            self.fail(token.start, f"expected a value, found {token.shown!r}")
        return signs[token.text]

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
    """The number of a word, also ``inf``, ``nan`` or ``1f``; None where it is not one."""
    match = _FLOAT.fullmatch(text)
    return None if match is None else float(match[1])


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
