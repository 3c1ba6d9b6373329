"""Prototxt files <-> Caffe messages; what Caffe would refuse is refused, a fork's rest noted."""

from __future__ import annotations

import codecs
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import Any

from keras_fcn.caffe.definition import NetDefinition
from keras_fcn.caffe.errors import CaffeWarning, PrototxtError
from keras_fcn.caffe.limits import MAX_TEXT_BYTES
from keras_fcn.caffe.proto import schema
from keras_fcn.caffe.proto.definitions import Beyond, current_definition, rules_of
from keras_fcn.caffe.records import dataclass
from keras_fcn.caffe.text.card_line import told
from keras_fcn.caffe.text.needs import is_kept, is_needed, is_ours, is_registered
from keras_fcn.caffe.text.reader import Reader, Unknown

_OTHERS = {"<": "a web page", "{": "JSON", "[": "JSON"}  # what begins like this
_SHOWN_LINES = 5


@dataclass(frozen=True)
class ParsedNet:
    """A NetParameter read from text.

    Attributes:
        message: the NetParameter.
        path: the file.
        layer_lines: the line each layer starts on.
        notes: what was passed over, one line each.
        beyond: layer's index in the file -> values of fields that the schema lacks, where
            the layer is of a type that is not built in, or of another state; the others do
            without.
        card: what its first line tells of the net's use, see `card_line`.
    """

    message: Any
    path: str
    layer_lines: tuple[int, ...]
    notes: tuple[str, ...] = ()
    beyond: Mapping[int, Sequence[Beyond]] = field(default_factory=dict)
    card: str = ""

    @cached_property
    def definition(self) -> NetDefinition:
        """Definition of the net in the current form.

        Raises:
            NetworkError: its forms are mixed, or its inputs do not go together.
        """
        return current_definition(self.message, self.layer_lines, self.path, self.beyond)


def parse(text: str, message: Any, path: str = "<text>") -> Reader:
    """Fill `message` from text; returns the reader, which knows lines and unknown fields."""
    reader = Reader(text, path)
    reader.read(message)
    return reader


def parse_net(
    text: str, path: str = "<text>", keeps: Callable[[Any], bool] | None = None
) -> ParsedNet:
    """Read a NetParameter from prototxt text.

    A field or value that no Caffe we know has is noted, unless a layer needs it: one
    in the parameters of a layer that is kept and of known type is an error, as in Caffe.

    Args:
        text: the prototxt.
        path: its name, for messages.
        keeps: whether the state keeps a layer; None keeps all.

    Raises:
        PrototxtError: the text is not a network; the message has file and line.
    """
    other = _OTHERS.get(text.lstrip()[:1])
    if other is not None:
        raise PrototxtError(f"{path} is {other}, not a prototxt; get the network's own file")
    message = schema.new("NetParameter")
    reader = parse(text, message, path)
    if len(reader.first_lines) > 1:
        (first, where), (other, line) = reader.first_lines.items()
        raise PrototxtError(
            f"{path}:{line}: {other!r} after {first!r} on line {where}: a net is either in the "
            "current form, all 'layer', or in the V1 form, all 'layers'"
        )
    wanted = None if keeps is None else lambda layer: keeps(rules_of(layer))
    for unknown in reader.unknown:
        if is_needed(unknown, wanted):
            raise PrototxtError(f"{path}:{unknown.line}: {unknown.problem}; {unknown.advice}")
    notes = tuple(_notes(path, [x for x in reader.unknown if not is_registered(x)]))
    beyond = _by_layer(message.layer or message.layers, reader.unknown, wanted)
    return ParsedNet(message, path, tuple(reader.layer_lines), notes, beyond, told(text))


def _notes(path: str, found: list[Unknown]) -> Iterator[str]:
    """One line for all places of one problem."""
    lines: dict[str, list[int]] = {}
    for unknown in found:
        lines.setdefault(unknown.problem, []).append(unknown.line)
    for problem, (first, *others) in lines.items():
        shown = ", ".join(map(str, others[:_SHOWN_LINES]))
        shown += ", ..." if len(others) > _SHOWN_LINES else ""
        again = f", and on line {shown}" if others else ""
        yield f"{path}:{first}: {problem}; it is passed over{again}"


def _by_layer(
    layers: Sequence[Any], found: Sequence[Unknown], keeps: Callable[[Any], bool] | None
) -> dict[int, list[Beyond]]:
    """The values in layers of types that are not ours, or of other states."""
    result: dict[int, list[Beyond]] = {}
    for unknown in found:
        if unknown.layer is None:
            continue
        layer = layers[unknown.layer]
        if not is_ours(layer) or not is_kept(layer, keeps):
            place = tuple(zip(unknown.path[1:], unknown.places[1:], strict=True))
            result.setdefault(unknown.layer, []).append((place, unknown.field, unknown.value))
    return result


def read_text(path: str | Path) -> str:
    """Text of a prototxt file: UTF-8 (with or without a BOM), else Latin-1; any line ends."""
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > MAX_TEXT_BYTES:
            raise PrototxtError(f"{path} has {size} bytes; a prototxt has at most {MAX_TEXT_BYTES}")
        with path.open("rb") as file:  # which of a pipe tells no size
            data = file.read(MAX_TEXT_BYTES + 1)
        if len(data) > MAX_TEXT_BYTES:
            raise PrototxtError(
                f"{path} has more than {MAX_TEXT_BYTES} bytes, which no prototxt has"
            )
    except OSError as error:
        raise PrototxtError(f"cannot read {path}: {error.strerror}") from error
    if not data.strip():
        raise PrototxtError(f"{path} is empty")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise PrototxtError(f"{path} is UTF-16 text; save it as UTF-8")
    if b"\0" in data:
        raise PrototxtError(f"{path} is a binary file, not a prototxt; is it the caffemodel?")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def read_net(path: str | Path, keeps: Callable[[Any], bool] | None = None) -> ParsedNet:
    """Read a prototxt file into a NetParameter, with a CaffeWarning for what is passed over.

    Args:
        path: the file.
        keeps: whether the state keeps a layer, see `parse_net`.
    """
    net = parse_net(read_text(path), str(path), keeps)
    for note in net.notes:
        warnings.warn(note, CaffeWarning, stacklevel=3)
    return net
