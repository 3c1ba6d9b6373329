"""One pass of a network beside its reference: blobs are compared as they are made."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from keras_fcn.engines.differences import are_detections
from keras_fcn.verifying.departing import Picture
from keras_fcn.verifying.float64 import Float64
from keras_fcn.verifying.judging import Explain, Judge
from keras_fcn.verifying.passes import Blobs
from keras_fcn.verifying.references import NotComparedError, Reference, Subject
from keras_fcn.verifying.report import Array, BlobResult, Cause

_GROUP_BYTES = 128 << 20
"""Blobs that a reference gives at once."""
_DRAWN, _DRAWN_APART, _DRAWN_OUTPUT = 1 << 14, 1 << 16, 1 << 23
"""Elements of a blob that are kept for drawing; of one that departs; of an output."""
_SIDE = 256
_LARGER = 4
"""How many times as large as ours a blob of another shape may be, to be read for its cause."""
_FLOAT_BYTES = 4


class Compared(NamedTuple):
    """What a comparison found.

    Attributes:
        results: one for each blob in Caffe's order.
        cause: of the departure; None where none was found.
        departed: the blob where the network departs, if it does.
        float64: what was computed in float64, or why nothing was.
    """

    results: tuple[BlobResult, ...]
    cause: Cause | None
    departed: str | None
    float64: str


def compare(
    subject: Subject,
    reference: Reference,
    inputs: Mapping[str, Array],
    explain: Explain,
    *,
    picture: Picture | None = None,
    keep: bool = True,
    float64: bool | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Compared:
    """Compare all blobs of one pass.

    Args:
        subject: the network.
        reference: what it is compared with.
        inputs: input -> array, in Caffe's axis order.
        explain: finds why a layer differs.
        picture: what was fed as a picture.
        keep: whether the results keep arrays for drawing.
        float64: see `keras_fcn.verify`.
        progress: told each blob's name as it is reached.

    Raises:
        NotComparedError: the reference does not run, or an input is no number somewhere.
    """
    for name, given in inputs.items():
        if not np.isfinite(given).all():
            raise NotComparedError(
                f"input {name!r} holds NaN or infinity, of which nothing can be proven; was it "
                "dumped before the network was fed?"
            )
    blobs, network = Blobs(subject.model), subject.network
    names = tuple(name for name in network.blobs if name in blobs.names)
    theirs = _Theirs(reference, names, inputs, _sizes(subject, inputs))
    every = frozenset({*theirs.names, *network.input_shapes})
    sources = {name: blobs.sources(name, every) for name in names}
    last_use = _last_uses(subject, names, sources)
    known = {name: array for name, array in inputs.items() if name not in theirs.names}
    double = Float64(subject, inputs, names, float64, every=reference.tells_float32)
    judge = Judge(subject, blobs, known, explain, double, picture, reference.parameters)
    outputs = {blob.name for blob in network.outputs}
    results = []
    for index, (name, ours) in enumerate(blobs.one_pass(inputs, names)):
        progress(name)
        array = theirs.of(name, ours)
        result = judge.judge(name, ours, array, sources[name])
        if array is not None and result.their_shape == ours.shape:
            known[name] = array.reshape(ours.shape)
            result = _kept(result, ours, known[name], name in outputs) if keep else result
        elif name in network.input_shapes:
            known[name] = ours
        results.append(result)
        for old in [x for x in known if last_use.get(x, -1) <= index]:
            del known[old]
    judge.settle(results)
    return Compared(tuple(results), judge.cause, judge.departed, double.told)


class _Theirs:
    """The reference's blobs, read in groups of bounded size as they are asked for in order."""

    def __init__(
        self,
        reference: Reference,
        names: Sequence[str],
        inputs: Mapping[str, Array],
        sizes: Mapping[str, int],
    ) -> None:
        self._reference, self._inputs = reference, inputs
        has = set(reference.names)
        self.names = tuple(name for name in names if name in has)
        self._groups = iter(_grouped(self.names, sizes))
        self._group: list[str] = []
        self._arrays: Iterator[tuple[str, Array]] = iter(())

    def of(self, name: str, ours: Array) -> Array | None:
        """A blob; None where the reference has none. One far larger than ours is not read."""
        if name not in self.names:
            return None
        shape = self._reference.shapes.get(name)
        if shape is not None:
            if math.prod(shape) > _LARGER * ours.size and not are_detections(ours):
                return np.broadcast_to(np.float32(0), shape)
            return next(self._reference.read([name], self._inputs))[1]
        if name not in self._group:
            self._group = next(self._groups)
            self._arrays = self._reference.read(self._group, self._inputs)
        return next(self._arrays)[1]


def _grouped(names: Sequence[str], sizes: Mapping[str, int]) -> Iterator[list[str]]:
    group: list[str] = []
    total = 0
    for name in names:
        if group and total + sizes[name] > _GROUP_BYTES:
            yield group
            group, total = [], 0
        group.append(name)
        total += sizes[name]
    if group:
        yield group


def _sizes(subject: Subject, inputs: Mapping[str, Array]) -> dict[str, int]:
    """Blob -> its bytes for these inputs, roughly."""
    declared = subject.network.input_shapes
    most = sum(math.prod(x or 1 for x in shape) for shape in declared.values()) or 1
    factor = sum(array.size for array in inputs.values()) / most or 1
    return {
        name: int(_FLOAT_BYTES * factor * math.prod(x or 1 for x in blob.shape or ()))
        for name, blob in subject.network.blobs.items()
    }


def _last_uses(
    subject: Subject, names: Sequence[str], sources: Mapping[str, Sequence[str]]
) -> dict[str, int]:
    """Blob -> index of the last one that needs it, to be made again or to be explained."""
    last = {}
    for index, name in enumerate(names):
        read = (blob.name for layer in subject.chain(name) for blob in layer.bottoms)
        for source in (*sources[name], *read):
            last[source] = index
    return last


def _kept(result: BlobResult, ours: Array, theirs: Array, is_output: bool) -> BlobResult:
    """The result with the arrays, or parts of them, for drawing."""
    most = _DRAWN_OUTPUT if is_output else _DRAWN if result.verdict == "same" else _DRAWN_APART
    return replace(result, ours=_part(ours, most), theirs=_part(theirs, most))


def _part(array: Array, most: int) -> Array:
    """An array of at most so many elements: of the first image, coarse maps of some channels."""
    if array.size <= most:
        return array.copy()
    part = array[:1]
    if part.ndim == 4:
        steps = [max(1, math.ceil(size / _SIDE)) for size in part.shape[2:]]
        part = part[:, :, :: steps[0], :: steps[1]]
        each = max(1, math.prod(part.shape[2:]))
        part = part[:, : max(1, most // each)]
    elif part.size > most:
        part = part.reshape(1, -1)[:, :most]
    return part.copy()
