"""Protobuf text -> messages, with the lines; what the schema lacks is kept aside, as data.

An own reader, because it has to say on which line a layer stands, which
`google.protobuf.text_format` does not tell. The grammar is the text format's:
`name: value`, nested `{ }` or `< >`, lists `[ ]`, adjacent strings
joined, `#` comments, `,` and `;` as optional separators.
"""

from __future__ import annotations

import difflib
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from keras_fcn.caffe.definition import Word
from keras_fcn.caffe.limits import MAX_LAYERS
from keras_fcn.caffe.records import dataclass
from keras_fcn.caffe.text.lexer import CLOSING, Lexer, Token, to_float, to_integer, unescape

_SOLVER_FIELDS = {"net", "train_net", "test_net", "test_iter", "base_lr", "lr_policy", "max_iter"}
_ADVICE = (
    "it is unknown here and may change the numbers: the caffe.proto of the fork of Caffe that the "
    "network is for says what it means"
)
_SIMILAR = 0.8  # of 1
LAYER_FIELDS = ("layer", "layers")
_MOST_UNKNOWN = 10_000
_BOOLEANS = {"true": True, "True": True, "t": True, "1": True}
_BOOLEANS |= {"false": False, "False": False, "f": False, "0": False}
_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(1 << 31), (1 << 31) - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(1 << 63), (1 << 63) - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, (1 << 32) - 1),
}
_FLOATS = (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE)


@dataclass(frozen=True)
class Unknown:
    """A field, or an enum's value, that the schema lacks: a fork's, or a misspelling.

    Attributes:
        line: where it stands.
        problem: what it is.
        message: the type of the message that lacks it, such as `"ConvolutionParameter"`.
        advice: what to do where the network needs it.
        field: its name.
        path: the fields it stands in, outermost first, such as
            `("layer", "convolution_param")`.
        places: which message of each of these fields it stands in, counted from 0.
        outermost: the message of the first of them, None where there is none.
        layer: index of the layer it stands in, in the file's order; None outside of layers.
        value: what the field was given, as `Lexer.plain_value` has
            it; the label of an enum.
    """

    line: int
    problem: str
    message: str
    advice: str
    field: str
    path: tuple[str, ...]
    places: tuple[int, ...]
    outermost: Any
    layer: int | None
    value: Any


class Reader(Lexer):
    """Recursive descent over the tokens of one text.

    Attributes:
        layer_lines: where the layers begin.
        first_lines: `layer` or `layers` -> where the first of them begins.
        unknown: what was passed over.
    """

    def __init__(self, text: str, path: str) -> None:
        super().__init__(text, path)
        self.layer_lines: list[int] = []
        self.first_lines: dict[str, int] = {}
        self.unknown: list[Unknown] = []
        self._path: list[tuple[str, int, Any]] = []

    def read(self, message: Any, closing: str | None = None) -> None:
        """Fill a message with the fields up to `closing` (None: end of file)."""
        fields = message.DESCRIPTOR.fields_by_name
        while True:
            token = self.take()
            if token.kind == "end":
                if closing is None:
                    return
                self.fail(token.start, f"the file ends where a {closing!r} is missing")
            if closing is not None and token.is_sign(closing):
                return
            if token.kind != "word":
                self.fail(token.start, f"expected a field name, found {token.shown!r}")
            field = fields.get(token.text)
            if field is None:
                self._unknown_field(message, token)
                continue
            if not field.is_repeated and message.HasField(field.name):
                self.fail(token.start, f"field {field.name!r} is given twice")
            self._values(message, field)

    def _unknown_field(self, message: Any, name: Token) -> None:
        owner = message.DESCRIPTOR.name
        problem = f"{owner} has no field {name.shown!r}"
        if owner == "NetParameter" and name.text in _SOLVER_FIELDS:
            self.fail(name.start, f"{problem}; this is a solver; give the network that it names")
        if not self.token.is_sign(":", "{", "<", "["):
            self.fail(name.start, f"{problem}; {_advice(name.text, message)}")
        if self.token.is_sign(":"):
            self.take()
        value = self.plain_value()
        self._note(message, name, name.text, problem, _advice(name.text, message), value)

    def _note(
        self, message: Any, token: Token, field: str, problem: str, advice: str, value: Any
    ) -> None:
        if len(self.unknown) == _MOST_UNKNOWN:
            self.fail(token.start, f"{problem}, and {_MOST_UNKNOWN} fields before it are unknown")
        path, places = tuple(x[0] for x in self._path), tuple(x[1] for x in self._path)
        outermost = self._path[0][2] if self._path else None
        line = self.line(token.start)
        layer = len(self.layer_lines) - 1 if path and path[0] in LAYER_FIELDS else None
        owner = message.DESCRIPTOR.name
        self.unknown.append(
            Unknown(line, problem, owner, advice, field, path, places, outermost, layer, value)
        )

    def _values(self, message: Any, field: FieldDescriptor) -> None:
        colon = self.token.is_sign(":")
        if colon:
            self.take()
        if self.token.is_sign("["):
            start = self.take().start
            if not field.is_repeated:
                self.fail(start, f"field {field.name!r} takes one value, not a list")
            while not self.token.is_sign("]"):
                if self.token.kind == "end":
                    self.fail(start, "this list is not closed")
                self._value(message, field, colon)
            self.take()
        else:
            self._value(message, field, colon)

    def _value(self, message: Any, field: FieldDescriptor, colon: bool) -> None:
        token = self.take()
        if field.message_type is not None:
            if not token.is_sign(*CLOSING):
                self.fail(token.start, f"field {field.name!r} is a message: expected '{{'")
            if message.DESCRIPTOR.name == "NetParameter" and field.name in LAYER_FIELDS:
                self.layer_lines.append(self.line(token.start))
                self.first_lines.setdefault(field.name, self.layer_lines[-1])
                if len(self.layer_lines) > MAX_LAYERS:
                    self.fail(token.start, f"more than {MAX_LAYERS} layers")
            owner = getattr(message, field.name)
            child = owner.add() if field.is_repeated else owner
            if not field.is_repeated:
                child.SetInParent()
            place = len(owner) - 1 if field.is_repeated else 0
            self._path.append((field.name, place, child))
            self.read(child, CLOSING[token.text])
            self._path.pop()
            return
        if not colon:
            self.fail(token.start, f"expected ':' after field {field.name!r}")
        value = self._scalar(token, field, message)
        if value is None:
            return
        if field.is_repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)

    def _scalar(self, token: Token, field: FieldDescriptor, message: Any) -> Any:
        """The value of a word or string; None for a label that an enum lacks."""
        kind = field.cpp_type
        if kind == FieldDescriptor.CPPTYPE_STRING:
            return self._string(token, field)
        if token.kind == "word":
            if kind == FieldDescriptor.CPPTYPE_BOOL and token.text in _BOOLEANS:
                return _BOOLEANS[token.text]
            if kind == FieldDescriptor.CPPTYPE_ENUM:
                return self._enum(token, field, message)
            if kind in _INTEGERS:
                return self._integer(token, field)
            if kind in _FLOATS:
                return self._float(token, field)
        self.fail(token.start, f"field {field.name!r} cannot take the value {token.shown}")

    def _string(self, token: Token, field: FieldDescriptor) -> str:
        if token.kind != "string":
            self.fail(
                token.start, f"field {field.name!r} is a string: {token.shown!r} needs quotes"
            )
        parts = [token.text]
        while self.token.kind == "string" and not self.token.separated:
            parts.append(self.take().text)
        try:
            return b"".join(unescape(part[1:-1]) for part in parts).decode("utf-8")
        except ValueError as error:
            self.fail(token.start, f"field {field.name!r}: bad string {token.shown}: {error}")

    def _enum(self, token: Token, field: Any, message: Any) -> int | None:
        values = field.enum_type.values_by_name
        if token.text in values:
            return int(values[token.text].number)
        numbers = {str(value.number): int(value.number) for value in values.values()}
        if token.text in numbers:
            return numbers[token.text]
        problem = f"field {field.name!r} cannot be {token.shown!r}"
        advice = f"known are {', '.join(values)}"
        if field.is_repeated:  # the values behind it would move up
            self.fail(token.start, f"{problem}; {advice}")
        self._note(message, token, field.name, problem, advice, Word(token.text))
        return None

    def _integer(self, token: Token, field: FieldDescriptor) -> int:
        try:
            number = to_integer(token.text, *_INTEGERS[field.cpp_type])
        except ValueError as error:
            self.fail(token.start, f"field {field.name!r}: {error}")
        if number is None:
            self.fail(token.start, f"field {field.name!r} is an integer, not {token.shown!r}")
        return number

    def _float(self, token: Token, field: FieldDescriptor) -> float:
        number = to_float(token.text)
        if number is None:
            self.fail(token.start, f"field {field.name!r} is a number, not {token.shown!r}")
        return number


def _advice(name: str, message: Any) -> str:
    """Advice for a field that a message lacks."""
    known = list(message.DESCRIPTOR.fields_by_name)
    similar = difflib.get_close_matches(name, known, 1, _SIMILAR)
    return f"did you mean {similar[0]!r}?" if similar else _ADVICE
