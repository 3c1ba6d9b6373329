"""What is known of the fields that only forks of Caffe have, see `schema_forks`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.proto import schema_forks
from keras_fcn.caffe.proto.fields import value_of

_FIRST_FORK_ENGINE = 3  # behind DEFAULT, CAFFE and CUDNN
_FILLER = "FillerParameter"
_MADE = "data_filler"  # what it fills is a top
_TRUTH = {True: "true", False: "false"}


@dataclass(frozen=True)
class ForkField:
    """A field that BVLC Caffe lacks.

    Attributes:
        name: its name.
        verdict: ``read``, ``idle``, ``refused``, or ``=VALUE``.
        meaning: whose it is, and what it does.
    """

    name: str
    verdict: str
    meaning: str

    @property
    def idle(self) -> bool:
        """Whether it changes no number that a loaded network gives."""
        return self.verdict == "idle"

    def is_neutral(self, value: Any) -> bool:
        """Whether a value is the one that changes nothing."""
        if not self.verdict.startswith("="):
            return False
        values = value if isinstance(value, tuple) else (value,)
        return all(_same(self.verdict[1:], one) for one in values)

    @property
    def refusal(self) -> str:
        """Why a value is refused."""
        only = f"; only {self.verdict[1:]} is built" if self.verdict.startswith("=") else ""
        return f"field {self.name!r} is not built here ({self.meaning}){only}"


def _same(neutral: str, value: Any) -> bool:
    if isinstance(value, bool):
        return _TRUTH[value] == neutral
    return value == neutral if isinstance(value, str) else float(neutral) == value


@cache
def fields() -> dict[tuple[str, str], ForkField]:
    """(message, field) -> what is known of it."""
    found = {}
    owner = ""
    for line in schema_forks.TEXT.splitlines():
        left, _, meaning = line.partition("#")
        words = left.split()
        if len(words) == 1:
            owner = words[0]
        elif words and words[0] != "enum" and len(words) > 3:
            found[owner, words[1]] = ForkField(words[1], words[3], meaning.strip())
    return found


def is_forks(field: Any) -> bool:
    """Whether only forks of Caffe have a field, by `schema_forks`."""
    return (field.containing_type.name, field.name) in fields()


def refuse(message: str, field: str) -> NetworkError:
    """The error for a field that a layer does not take into account."""
    known = fields().get((message, field))
    if known is not None:
        return NetworkError(known.refusal)
    return NetworkError(
        f"field {field!r} has no meaning for this type here, and may change the numbers; check "
        "the type, and which fork of Caffe the network is for"
    )


def without_idle(message: Any) -> Iterator[str]:
    """Clear what changes nothing in a message and those in it; say what is worth a note.

    Neutral values, and what is idle, go; of what is idle each is told.
    """
    owner = message.DESCRIPTOR.name
    for field, value in message.ListFields():
        known = fields().get((owner, field.name))
        if known is not None and known.idle:
            message.ClearField(field.name)
            less = "" if owner != _FILLER else "; it counts for blobs that no file fills"
            yield f"{field.name} is passed over ({known.meaning}{less})"
        elif known is not None and known.is_neutral(value_of(field, value)):
            message.ClearField(field.name)
        elif _is_foreign_engine(field, value):
            label = value_of(field, value)
            message.ClearField(field.name)
            yield f"engine: {label} is passed over (which code computes the layer)"
        elif field.message_type is not None and field.name != _MADE:
            for inner in value if field.is_repeated else (value,):
                yield from without_idle(inner)


def _is_foreign_engine(field: FieldDescriptor, value: Any) -> bool:
    return field.name == "engine" and field.enum_type is not None and value >= _FIRST_FORK_ENGINE
