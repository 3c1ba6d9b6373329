"""The `param_str` of a Python layer: the little YAML that layers use, nothing evaluated."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from keras_fcn.caffe.definition import Fields, LayerDefinition
from keras_fcn.caffe.errors import NetworkError

Value = Any
"""A word, a quoted string, a number, true or false, None, or a tuple or dict of these."""

_DEPTH = 20
_TOKEN = re.compile(
    r"""
      (?P<skip> [\s,]+ | \#[^\n]* )
    | (?P<string> '(?:[^'\n\\]|''|\\.)*' | "(?:[^"\n\\]|\\.)*" )
    | (?P<sign> [{}\[\]():] | -(?=\s) )
    | (?P<tag> ![^\s,{}\[\]():'"]* )
    | (?P<word> [^\s,{}\[\]():'"\#]+ )
    """,
    re.VERBOSE,
)
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
_SPECIAL: dict[str, Any] = {"None": None, "null": None, "Null": None, "NULL": None, "~": None}
_SPECIAL |= dict.fromkeys(("true", "True", "TRUE"), True)
_SPECIAL |= dict.fromkeys(("false", "False", "FALSE"), False)
_LISTS = {"[": "]", "(": ")"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}
_SIGNS = "{}[]():-"
# What YAML's tags ask for; any other would make an object, which runs code.
_TAGS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("!!python/tuple", "!!python/list", "!!seq", "!!set"), tuple),
    **dict.fromkeys(("!!python/str", "!!python/unicode", "!!str"), str),
    **dict.fromkeys(("!!python/int", "!!python/long", "!!int"), int),
    **dict.fromkeys(("!!python/float", "!!float"), float),
    **dict.fromkeys(("!!python/bool", "!!bool"), bool),
    **dict.fromkeys(("!!python/dict", "!!map"), dict),
    **dict.fromkeys(("!!python/none", "!!null"), lambda value: None),
}


def parse(text: str) -> dict[str, Value]:
    """Read `key: value` pairs, in braces or not, parted by commas or new lines.

    A value is a number, a word, a quoted string, None, a list in brackets or of lines that
    begin with `-`, or pairs in braces. YAML's tags for these, such as `!!python/tuple`,
    are obeyed; lists are tuples.

    Raises:
        NetworkError: the text is anything else.
    """
    reader = _Reader(text)
    braces = reader.next == "{"
    pairs = reader.pairs("}" if braces else "", braces)
    if reader.next:
        raise reader.error()
    return pairs


def of(layer: LayerDefinition) -> str:
    """The `param_str` of a layer; empty where it has none."""
    text: str = layer.fields.message("python_param").get("param_str", "")
    return text


def fields(module: str, layer: str, text: str) -> Fields:
    """The fields of a Python layer."""
    return Fields(python_param={"module": module, "layer": layer, "param_str": text})


def text(values: Mapping[str, Value]) -> str:
    """The inverse of `parse`, for numbers and lists of them."""
    pairs = (f"'{name}': {_written(value)}" for name, value in values.items())
    return f"{{{', '.join(pairs)}}}"


def _written(value: Value) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_written, value))}]"
    word = repr(value)
    whole, sign, exponent = word.partition("e")
    return word if not sign or "." in whole else f"{whole}.0e{exponent}"  # YAML wants the point


class _Reader:
    """Recursive descent over the tokens; `next` is "" at the end."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.depth = 0
        self.tokens = iter(self._tokens())
        self.next = ""
        self.take()

    def _tokens(self) -> list[str]:
        found, position = [], 0
        while position < len(self.text):
            match = _TOKEN.match(self.text, position)
            if match is None:
                raise self.error()
            if match.lastgroup != "skip":
                found.append(match.group())
            position = match.end()
        return found

    def take(self) -> str:
        token, self.next = self.next, next(self.tokens, "")
        return token

    def pairs(self, closing: str, opened: bool) -> dict[str, Value]:
        """Pairs up to a closing sign, which is taken; "": up to the end."""
        if opened:
            self.take()
        found: dict[str, Value] = {}
        while self.next and self.next != closing:
            key = self.take()
            if key in _SIGNS or key[0] == "!" or self.take() != ":":
                raise self.error()
            name = _unquoted(key)
            if name in found:
                raise NetworkError(f"param_str: {name!r} is given twice in {self.text[:80]!r}")
            found[name] = self.value()
        if self.take() != closing:
            raise self.error()
        return found

    def value(self) -> Value:
        """One value, with its tag."""
        self.depth += 1
        if self.depth > _DEPTH:
            raise self.error()
        tag = self.take() if self.next[:1] == "!" else None
        value = self._plain()
        self.depth -= 1
        return value if tag is None else self._tagged(tag, value)

    def _plain(self) -> Value:
        if self.next == "{":
            return self.pairs("}", opened=True)
        if self.next == "-":
            return self._lines()
        token = self.take()
        if token in _LISTS:
            values = []
            while self.next and self.next != _LISTS[token]:
                values.append(self.value())
            if not self.take():
                raise self.error()
            return tuple(values)
        if not token or token in _SIGNS or token[0] == "!":
            raise self.error()
        if token[0] in "'\"":
            return _unquoted(token)
        if _INTEGER.fullmatch(token):
            return int(token)
        return float(token) if _NUMBER.fullmatch(token) else _SPECIAL.get(token, token)

    def _lines(self) -> tuple[Value, ...]:
        """Values that each stand behind a `-`."""
        values = []
        while self.next == "-":
            self.take()
            values.append(self.value())
        return tuple(values)

    def _tagged(self, tag: str, value: Value) -> Value:
        if tag not in _TAGS:
            raise NetworkError(
                f"param_str: the tag {tag[:80]!r} is not one of {', '.join(sorted(_TAGS))}"
            )
        try:
            return _TAGS[tag](value)
        except (TypeError, ValueError):
            raise self.error() from None

    def error(self) -> NetworkError:
        return NetworkError(
            f"param_str: {self.text[:80]!r} cannot be read; write pairs like 'feat_stride': 16"
        )


def _unquoted(token: str) -> str:
    """A key or a string without its quotes, and with the characters that it stands for."""
    quote, inside = token[0], token[1:-1]
    if quote == "'":
        return inside.replace("''", "'")
    if quote == '"':
        return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), inside)
    return token
