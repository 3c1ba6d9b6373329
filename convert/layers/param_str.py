"""The ``param_str`` of a Python layer: the little YAML that layers use, nothing evaluated."""

from __future__ import annotations

import re
from collections.abc import Iterator

from convert.errors import NetworkError

Value = str | int | float | bool
"""A word, a quoted string, a number, or true and false."""

_TOKEN = re.compile(
    r"""
      (?P<skip> [\s,]+ | \#[^\n]* )
    | (?P<string> '[^'\n]*' | "[^"\n]*" )
    | (?P<sign> [{}\[\]():] )
    | (?P<word> [^\s,{}\[\]():'"\#]+ )
    """,
    re.VERBOSE,
)
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
_BOOLEANS = {"true": True, "True": True, "false": False, "False": False}
_LISTS = {"[": "]", "(": ")"}


def parse(text: str) -> dict[str, Value | tuple[Value, ...]]:
    """Read ``key: value`` pairs, in braces or not, parted by commas or new lines.

    A value is a number, a word, a quoted string, or a list of these in brackets.

    Raises:
        NetworkError: the text is anything else.
    """
    tokens = list(_tokens(text))
    if tokens[:1] == ["{"] and tokens[-1:] == ["}"]:
        tokens = tokens[1:-1]
    pairs: dict[str, Value | tuple[Value, ...]] = {}
    rest = iter(tokens)
    for key in rest:
        if _is_sign(key) or next(rest, "") != ":":
            raise _error(text)
        name = str(_value(f"'{key}'" if key[0] not in "'\"" else key, text))
        if name in pairs:
            raise NetworkError(f"param_str: {name!r} is given twice in {text[:80]!r}")
        first = next(rest, "")
        pairs[name] = _list(rest, _LISTS[first], text) if first in _LISTS else _value(first, text)
    return pairs


def _tokens(text: str) -> Iterator[str]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _error(text)
        if match.lastgroup != "skip":
            yield match.group()
        position = match.end()


def _list(rest: Iterator[str], closing: str, text: str) -> tuple[Value, ...]:
    values: list[Value] = []
    for token in rest:
        if token == closing:
            return tuple(values)
        values.append(_value(token, text))
    raise _error(text)


def _value(token: str, text: str) -> Value:
    if not token or _is_sign(token):
        raise _error(text)
    if token[0] in "'\"":
        return token[1:-1]
    if _INTEGER.fullmatch(token):
        return int(token)
    return float(token) if _NUMBER.fullmatch(token) else _BOOLEANS.get(token, token)


def _is_sign(token: str) -> bool:
    return token in "{}[]():"


def _error(text: str) -> NetworkError:
    return NetworkError(
        f"param_str: {text[:80]!r} cannot be read; write pairs like 'feat_stride': 16"
    )
