"""Python code laid out as its formatter would, so that the file needs no other tool."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

WIDTH = 100
_STEP = 4


@dataclass(frozen=True)
class Bracketed:
    """An opening, parts with commas between, a closing: a call, a list, a tuple.

    Attributes:
        opening: all before the parts, such as `x = layers.Conv2D(`.
        parts: code, or what is bracketed itself.
        closing: all behind them.
        literal: whether the parts stand one a line, as those of lists do, where they do not
            fit behind the opening.
    """

    opening: str
    parts: Sequence[Code]
    closing: str = ")"
    literal: bool = False

    def __str__(self) -> str:
        parts = ", ".join(map(str, self.parts))
        comma = "," if self.literal and self.opening.endswith("(") and len(self.parts) == 1 else ""
        return f"{self.opening}{parts}{comma}{self.closing}"

    def prefixed(self, before: str, after: str = "") -> Bracketed:
        """With more code before and behind."""
        return Bracketed(before + self.opening, self.parts, self.closing + after, self.literal)


Code: TypeAlias = "str | Bracketed"


def lines(code: Code, indent: int, ending: str = "") -> list[str]:
    """The code in lines of at most `WIDTH` characters, where its parts allow it.

    Args:
        code: one statement or part.
        indent: blanks before it.
        ending: what stands behind it, such as a comma.
    """
    margin = " " * indent
    whole = f"{margin}{code}{ending}"
    if len(whole) <= WIDTH or isinstance(code, str) or not code.parts:
        return [whole]
    inside = indent + _STEP
    body = ", ".join(map(str, code.parts))
    fits = inside + len(body) <= WIDTH
    if fits and not (code.literal and len(code.parts) > 1):
        comma = "," if code.literal else ""
        found = [f"{' ' * inside}{body}{comma}"]
    else:
        found = [line for part in code.parts for line in lines(part, inside, ",")]
    return [margin + code.opening, *found, margin + code.closing + ending]


@dataclass(frozen=True)
class Verbatim:
    """A value that is code already, such as the name of a variable."""

    code: str


def applied(made: Bracketed, given: Sequence[Code], before: str = "") -> Bracketed:
    """A layer called on tensors: `x = layers.Conv2D(...)(x)`.

    Where the line is too long, the last brackets are opened if the others fit.
    """
    tensors = ", ".join(map(str, given))
    return _Applied(before + made.opening, made.parts, f"{made.closing}({tensors})", given=given)


@dataclass(frozen=True)
class _Applied(Bracketed):
    given: Sequence[Code] = ()

    def split(self) -> Bracketed:
        """The same, to be opened at its last brackets."""
        head = str(self).removesuffix(f"{', '.join(map(str, self.given))})")
        return Bracketed(head, self.given)


def statement(code: Code, indent: int) -> list[str]:
    """One statement, laid out; a name that is too long for the line keeps it long."""
    if isinstance(code, _Applied) and len(str(code)) + indent > WIDTH:
        last = code.split()
        if len(last.opening) + indent <= WIDTH:
            code = last
    return [marked(line) for line in lines(code, indent)]


def marked(line: str) -> str:
    """A line that cannot be shorter says so to the linter, which lets a single word pass."""
    fits = len(line) <= WIDTH or len(line.split()) == 1
    return line if fits else f"{line}  # noqa: E501"


def quoted(text: str) -> str:
    """A string as code, in ASCII: no text is ever code."""
    if text.isascii() and text.isprintable() and not ('"' in text and "'" not in text):
        return json.dumps(text)
    plain = ascii(text)
    return plain if "'" in text or '"' in text else f'"{plain[1:-1]}"'


def one_or_list(names: list[str]) -> Code:
    """The only name, or all as a list."""
    return names[0] if len(names) == 1 else Bracketed("[", [*names], "]", literal=True)
