"""Facts about the fields that only forks of Caffe have, see `schema_forks`."""

from __future__ import annotations

from functools import cache
from typing import Any

from keras_fcn.caffe.definition import Fields
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.proto import schema, schema_forks
from keras_fcn.caffe.records import dataclass

_ENGINES = ("DEFAULT", "CAFFE", "CUDNN")
_FILLER = "FillerParameter"
_MADE = "data_filler"  # what it fills is a top
_TRUTH = {True: "true", False: "false"}


@dataclass(frozen=True)
class ForkField:
    """A field that BVLC Caffe lacks.

    Attributes:
        name: its name.
        verdict: `read`, `idle`, `refused`, or `=VALUE`.
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


def without_idle(given: Fields, owner: str) -> tuple[Fields, list[str]]:
    """Leave out what changes nothing in the fields of a message and of those in it.

    Args:
        given: the fields.
        owner: the type of their message.

    Returns:
        The other fields, and what to note: what is idle is told of, neutral values are not.
    """
    kinds = schema.kinds(owner)
    kept: dict[str, Any] = {}
    notes: list[str] = []
    for name, value in given.items():
        known, kind = fields().get((owner, name)), kinds.get(name, "")
        if known is not None and known.idle:
            less = "" if owner != _FILLER else "; it counts for blobs that no file fills"
            notes.append(f"{name} is passed over ({known.meaning}{less})")
        elif known is not None and known.is_neutral(value):
            continue
        elif name == "engine" and kind == "enum" and value not in _ENGINES:
            notes.append(f"engine: {value} is passed over (which code computes the layer)")
        elif name == _MADE or not isinstance(value, Fields | tuple):
            kept[name] = value
        else:
            inner = [
                without_idle(x, kind) if isinstance(x, Fields) else (x, [])
                for x in (value if isinstance(value, tuple) else (value,))
            ]
            values = tuple(fields for fields, _ in inner)
            kept[name] = values if isinstance(value, tuple) else values[0]
            notes += [note for _, found in inner for note in found]
    return (Fields(kept) if len(kept) < len(given) or notes else given), notes
