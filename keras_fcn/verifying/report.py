"""What a comparison with a reference found: plain data, and how it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy.typing as npt

from keras_fcn.text_tables import html_table, text_table
from keras_fcn.verifying.wording import NOTHING, SHOWN, agree, listed, named, plain, share

Array = npt.NDArray[Any]

VERDICTS = ("same", "rounding", "ties", "noise", "differs", "shape", "missing")
"""What may be said of a blob; `"differs"` and `"shape"` make a network fail."""
_FAILED = frozenset({"differs", "shape"})
_TITLES = (
    "blob", "layer", "type", "shape", "largest", "rms", "cosine", "within", "float64", "verdict"
)  # fmt: skip
_NUMBERS = (4, 5, 6, 7, 8)


@dataclass(frozen=True)
class BlobResult:
    """One blob, compared.

    Attributes:
        blob: Caffe's name.
        layer: name of the layer that makes the blob.
        type: type of that layer, and of those that change the blob in place.
        shape: ours, in Caffe's axis order.
        their_shape: the reference's; None where it does not have the blob.
        largest: largest difference, as a share of the blob's largest value in the reference.
        rms: root of the mean squared difference, as a share of the same.
        cosine: of the angle between the two as vectors, 1 where they are the same.
        within: share of the entries that differ by less than the tolerance.
        verdict: one of `VERDICTS`: `"same"`, within 1e-5; `"rounding"`, apart as float rounding
            explains; `"ties"`, where rounding decided between equal entries; `"noise"`, apart as
            noise is, with no cause found, which proves nothing; `"differs"`;
            `"missing"`, the reference does not have it; `"shape"`, it has another one.
        ties: share of the entries that differ by ties.
        note: why it is what it is, in a few words.
        fed: whether it is an input, which is given to both and thus proves nothing.
        nan: share of the entries that are NaN in both, of which nothing is proven.
        double: largest difference of ours from the same network in float64, relative as
            `largest`; None where float64 was not computed.
        their_double: the same of the reference's.
        since: of a blob that departs, the blobs before it that the reference shows, where it
            does not show others between.
        unseen: the layers between, and the blob's own: one of them departs.
        ours: the blob, where it is kept for drawing.
        theirs: the reference's, likewise.
    """

    blob: str
    layer: str
    type: str
    shape: tuple[int, ...]
    their_shape: tuple[int, ...] | None = None
    largest: float = 0.0
    rms: float = 0.0
    cosine: float = 1.0
    within: float = 1.0
    verdict: str = "missing"
    ties: float = 0.0
    note: str = ""
    fed: bool = False
    nan: float = 0.0
    double: float | None = None
    their_double: float | None = None
    since: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    ours: Array | None = field(default=None, repr=False, compare=False)
    theirs: Array | None = field(default=None, repr=False, compare=False)

    @property
    def failed(self) -> bool:
        """Whether the blob is not the reference's."""
        return self.verdict in _FAILED

    @property
    def place(self) -> str:
        """Where it departs, as far as the reference tells."""
        if not self.unseen:
            return f"from {self.blob!r} on (layer {self.layer!r}, {self.type})"
        since = " and ".join(map(repr, self.since[:SHOWN])) or "the start"
        return (
            f"somewhere between {since} and {self.blob!r} "
            f"(of the layers {named(self.unseen)} the reference shows the last alone)"
        )

    def to_json(self) -> dict[str, Any]:
        """The attributes but the arrays, as values that JSON knows."""
        return {
            name: plain(getattr(self, name))
            for name in self.__dataclass_fields__
            if name not in ("ours", "theirs")
        }


@dataclass(frozen=True)
class Cause:
    """Why a layer differs, as tested: with it undone, the difference is gone.

    Attributes:
        name: a short name, such as `"channels swapped"`.
        sentence: for who wrote or exported the reference, what is otherwise and where.
        before: rms difference relative to the blob's scale, as the networks are.
        after: the same with the cause undone.
    """

    name: str
    sentence: str
    before: float
    after: float

    def to_json(self) -> dict[str, Any]:
        """The attributes, as values that JSON knows."""
        return {name: plain(getattr(self, name)) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class ParityReport:
    """Whether a network gives a reference's numbers, blob by blob in Caffe's order.

    Attributes:
        network: the network's name.
        results: one for each blob.
        reference: what it was compared with.
        cause: why the first blob that departs does, where a cause was found.
        departed: the blob where it departs, where noise before it is set apart.
        versions: program -> version.
        inputs: what was fed, a line each.
        notes: what else a reader should know, a line each.
        outputs: blobs that are the network's outputs.
        unproven: layers whose blobs the reference lacks, as all that is made of them.
        float64: what was computed in float64 to tell rounding, or why nothing was.
        classes: names of the classes, where they are known.
        picture: the picture that was fed, RGB in 0..255, where it was one.
    """

    network: str
    results: tuple[BlobResult, ...]
    reference: str
    cause: Cause | None = None
    departed: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()
    float64: str = ""
    classes: tuple[str, ...] = ()
    picture: Array | None = field(default=None, repr=False, compare=False)

    @cached_property
    def compared(self) -> tuple[BlobResult, ...]:
        """The blobs that the reference has; not inputs, which are what it was fed."""
        return tuple(x for x in self.results if x.verdict != "missing" and not x.fed)

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why the network is not proven to be the same, though no blob departs; a line each."""
        ends = [x for x in self.results if x.blob in self.outputs and not x.fed]
        lacking = [x.blob for x in ends if x.verdict == "missing"]
        nan = [x for x in ends if x.nan]
        found = []
        if lacking:
            behind = f", so {listed('layer', self.unproven)} not proven" if self.unproven else ""
            found.append(f"{listed('output', lacking)} not in the reference{behind}")
        if self.compared and all(x.note == NOTHING for x in self.compared):
            found.append(
                "all that was compared is 0 everywhere, here and in the reference, which proves "
                "nothing"
            )
        found += [
            f"the output {x.blob!r} is NaN here and in the reference in {share(x.nan)} of its "
            "entries, which proves nothing"
            for x in nan
        ]
        if noisy := [x for x in self.results if x.verdict == "noise"]:
            worst = max(noisy, key=lambda x: x.rms)
            found.append(
                f"{listed('blob', [x.blob for x in noisy])} further away than float rounding, by "
                f"up to {worst.rms:.1e} rms ({worst.blob!r}): {worst.note}; such noise may hide a "
                "fault"
            )
        return tuple(found)

    @property
    def first_departure(self) -> BlobResult | None:
        """The first blob, in Caffe's order, whose layer does other than the reference's."""
        failed = [x for x in self.results if x.failed]
        return next((x for x in failed if x.blob == self.departed), failed[0] if failed else None)

    @property
    def passed(self) -> bool:
        """Whether blobs were compared, all outputs among them, and none departs."""
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """0: passed; 1: a blob departs; 2: nothing was compared, or `doubts` leave it open."""
        if self.first_departure is not None:
            return 1
        return 2 if not self.compared or self.doubts else 0

    @property
    def verdict(self) -> str:
        """The result in one line."""
        first = self.first_departure
        if first is None and not self.compared:
            return f"not compared: {self.reference} has none of the network's blobs"
        if first is None:
            alike = [x for x in self.compared if x.verdict != "noise"]
            if not alike:
                return f"not proven: {'; '.join(self.doubts)}"
            worst = max(alike, key=lambda x: x.largest)
            tied = max(alike, key=lambda x: x.ties)
            ties = f", ties in {share(tied.ties)} of {tied.blob!r}" if tied.ties else ""
            numbers = (
                f"{agree(len(alike))}, the largest difference is {worst.largest:.1e} "
                f"({worst.blob!r}){ties}"
            )
            if len(alike) < len(self.compared):
                return f"not proven: {'; '.join(self.doubts)} ({numbers})"
            if self.doubts:
                last = self.compared[-1].blob
                return f"the same as far as {last!r}, but {'; '.join(self.doubts)} ({numbers})"
            return f"the same network: {numbers}"
        why = self.cause.sentence if self.cause else first.note or "no cause found"
        return f"differs {first.place}: {why}"

    def to_json(self) -> dict[str, Any]:
        """All but the arrays, as values that JSON knows."""
        first = self.first_departure
        return {
            "network": self.network,
            "reference": self.reference,
            "passed": self.passed,
            "exit_code": self.exit_code,
            "verdict": self.verdict,
            "first_departure": None if first is None else first.blob,
            "cause": None if self.cause is None else self.cause.to_json(),
            "inputs": list(self.inputs),
            "versions": dict(self.versions),
            "notes": list(self.notes),
            "outputs": list(self.outputs),
            "unproven": list(self.unproven),
            "float64": self.float64,
            "blobs": [x.to_json() for x in self.results],
        }

    def rows(self) -> list[tuple[str, ...]]:
        """The table's cells, its titles first."""
        return [_TITLES, *map(_row, self.results)]

    def __str__(self) -> str:
        lines = [f"{self.network or 'the network'} against {self.reference}"]
        lines += [f"fed {line}" for line in self.inputs]
        table = text_table(self.rows(), right=_NUMBERS)
        ends = [f"float64: {self.float64}"] if self.float64 else []
        ends += [f"note: {note}" for note in self.notes]
        return "\n".join([*lines, "", table, "", *ends, self.verdict])

    def _repr_html_(self) -> str:
        titles, *rows = self.rows()
        return html_table(rows, titles, caption=self.verdict)


def _row(result: BlobResult) -> tuple[str, ...]:
    shape = "x".join(map(str, result.shape)) or "scalar"
    numbers: tuple[str, ...] = ("",) * len(_NUMBERS)
    verdict = result.verdict
    if result.verdict == "shape":
        shape += f" (theirs {'x'.join(map(str, result.their_shape or ()))})"
    elif result.verdict == "missing":
        verdict = result.note or verdict
    else:
        numbers = (
            f"{result.largest:.1e}",
            f"{result.rms:.1e}",
            f"{result.cosine:.6f}",
            share(result.within),
            "" if result.double is None else f"{result.double:.1e}",
        )
        verdict += f" {share(result.ties)}" if result.ties else ""
    return (result.blob, result.layer, result.type, shape, *numbers, verdict)
