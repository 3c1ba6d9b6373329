"""Whether a difference is what float32 makes of the network, as its float64 tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from keras_fcn.engines.differences import difference
from keras_fcn.verifying import numbers
from keras_fcn.verifying.double import Doubles
from keras_fcn.verifying.references import Subject
from keras_fcn.verifying.report import Array, BlobResult

_ROUNDINGS = 8
"""How many times as far as our float32 the reference's numbers may be from float64."""


class Float64:
    """The network in float64, made from the first blob on that needs it.

    Args:
        subject: the network.
        inputs: what it is fed, in Caffe's axis order.
        names: its blobs in Caffe's order.
        asked: whether it is wanted however long it takes; False: not at all; None: where a blob
            needs it and it takes no more than a few seconds.
        every: whether each blob needs it, be it the reference's or not.
    """

    def __init__(
        self,
        subject: Subject,
        inputs: Mapping[str, Array],
        names: Sequence[str],
        asked: bool | None = None,
        *,
        every: bool = False,
    ) -> None:
        self._subject, self._inputs, self._names = subject, inputs, names
        self._asked, self._every = asked, every or bool(asked)
        self._doubles: Doubles | None = None
        self._made = 0

    def compared(
        self, result: BlobResult, ours: Array, theirs: Array
    ) -> tuple[BlobResult, bool | None]:
        """The result with how far both are from float64, and whether they are apart by rounding.

        Args:
            result: the comparison of a blob, asked for in Caffe's order.
            ours: our content.
            theirs: the reference's.

        Returns:
            The result, and None instead of a judgement where float64 does not tell.
        """
        needed = self._every or result.verdict != "same"
        if self._asked is False or not needed or result.fed:
            return result, None
        if self._doubles is None:
            self._doubles = Doubles(
                self._subject, self._inputs, self._names, bounded=not self._asked
            )
        double = self._doubles.of(result.blob)
        if double is None or (double := numbers.alike(double, ours)).shape != ours.shape:
            return result, None
        self._made += 1
        own, other = (difference(x, double) for x in (ours, theirs))
        result = replace(result, double=own.largest, their_double=other.largest)
        if not own.near:  # a tie between the two, or an operator that does other
            return result, None
        alike = other.largest <= _ROUNDINGS * own.largest and other.rms <= _ROUNDINGS * own.rms
        return result, alike and other.near

    @property
    def told(self) -> str:
        """What was made of it, or why it was not, for the report."""
        if self._asked is False:
            return "not computed, as asked"
        if self._doubles is None:
            return "not needed, as no blob is apart"
        lacking = self._doubles.lacking
        if not self._made:
            return f"not computed: {lacking}"
        blobs = "1 blob" if self._made == 1 else f"{self._made} blobs"
        return f"{blobs} by ONNX's reference evaluator" + (f"; not {lacking}" if lacking else "")
