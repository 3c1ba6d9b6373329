"""What is said of each blob: the same, rounding, ties, or another network from here on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from keras_fcn.engines.differences import (
    SAME,
    Difference,
    are_detections,
    difference,
)
from keras_fcn.inference.one_layer import OneLayer
from keras_fcn.verifying import numbers
from keras_fcn.verifying.causes.order import TAKEN
from keras_fcn.verifying.departing import Departing, Picture, other_weights
from keras_fcn.verifying.departure import Departure
from keras_fcn.verifying.detections import DETECTIONS, of_detections
from keras_fcn.verifying.float64 import Float64
from keras_fcn.verifying.noise import NOISE, is_of_sums, may_be_noise
from keras_fcn.verifying.passes import Blobs, refusals
from keras_fcn.verifying.references import Subject
from keras_fcn.verifying.references.matching import fed_blobs
from keras_fcn.verifying.report import Array, BlobResult, Cause
from keras_fcn.verifying.ties import are_ties, holds_places

Explain = Callable[[Departure], Cause | None]

_ROUNDINGS = 8
"""How many times what one rounding of its bottoms does to a layer may lie in its top."""
_MOST_EXPLAINED = 4
_LOUDER = 5


class Judge:
    """Judges the blobs of one pass in Caffe's order; it has seen all before.

    A blob that is more than rounding away is made again by its own layer from what the
    reference has for the layer's bottoms: where that gives the reference's blob, the layer is
    the same, whatever the bottoms have become.

    Args:
        subject: the network.
        blobs: its blobs.
        known: the reference's blobs so far, as far as later layers read them.
        explain: finds why a layer differs.
        float64: the network in float64.
        picture: what was fed as a picture.
        parameters: the reference's parameters, by layer and index, where it tells them.

    Attributes:
        cause: why the network departs, once it has and a cause was found.
        departed: the blob where it departs.
    """

    def __init__(
        self,
        subject: Subject,
        blobs: Blobs,
        known: Mapping[str, Array],
        explain: Explain,
        float64: Float64,
        picture: Picture | None = None,
        parameters: Mapping[tuple[str, int], Array] | None = None,
    ) -> None:
        self.cause: Cause | None = None
        self.departed: str | None = None
        self._subject, self._blobs, self._known = subject, blobs, known
        self._explain, self._float64, self._picture = explain, float64, picture
        self._parameters = parameters or {}
        self._departing = Departing(subject, blobs, known, OneLayer(subject.network))
        self._apart: set[str] = set()
        self._tied: set[str] = set()
        self._same = set(fed_blobs(subject.network))
        self._level = 0.0
        self._explained = 0
        self._unsettled: Departure | None = None

    def judge(
        self, name: str, ours: Array, theirs: Array | None, sources: Sequence[str]
    ) -> BlobResult:
        """Compare a blob.

        Args:
            name: the blob.
            ours: our content.
            theirs: the reference's; None where it has none.
            sources: known blobs of which the model makes this one.
        """
        first, *_ = chain = self._subject.chain(name)
        fed = name in fed_blobs(self._subject.network)
        result = BlobResult(name, first.name, ", ".join(x.type for x in chain), ours.shape, fed=fed)
        if theirs is None:
            return replace(result, note="fed to both" if fed else "")
        theirs = numbers.alike(theirs, ours)
        result = replace(result, their_shape=theirs.shape)
        if first.type in DETECTIONS and are_detections(theirs):
            result = of_detections(result, ours, theirs)
            if result.failed:
                self._apart.add(name)
                self.departed = self.departed or name
            return result
        if theirs.shape != ours.shape:
            return self._of_another_shape(result, ours, theirs, sources)
        found = difference(ours, theirs)
        result = replace(
            result,
            verdict="same" if found.largest <= SAME else "differs",
            largest=found.largest,
            rms=found.rms,
            cosine=found.cosine,
            within=found.within,
            nan=found.nan / max(theirs.size, 1),
            note=numbers.told(ours, theirs, found),
        )
        result, rounding = self._float64.compared(result, ours, theirs)
        if result.verdict == "same":
            self._same.add(name)
            return result
        if rounding:
            return self._rounding(result, found, ours, theirs, sources)
        return self._apart_from(result, found, ours, theirs, sources, rounding)

    def _of_another_shape(
        self, result: BlobResult, ours: Array, theirs: Array, sources: Sequence[str]
    ) -> BlobResult:
        """The verdict on a blob that has another shape in the reference, perhaps with a cause."""
        other = theirs.shape[1:] != ours.shape[1:]  # and not another batch alone
        if other and not self._apart & set(sources) and self.cause is None and any(theirs.strides):
            self._explained += 1
            self._set_cause(result, ours, theirs, sources)
        self._apart.add(result.blob)
        self.departed = self.departed or result.blob
        result = self._departing.placed(result, sources)
        return replace(result, verdict="shape", note="of another shape in the reference")

    def _apart_from(
        self,
        result: BlobResult,
        found: Difference,
        ours: Array,
        theirs: Array,
        sources: Sequence[str],
        rounding: bool | None,
    ) -> BlobResult:
        """The verdict on a blob that is more than 1e-5 away, by rounding or not, if known."""
        name = result.blob
        if not set(sources) <= self._known.keys():
            self._apart.add(name)
            return replace(result, verdict="differs", note="reads a blob of another shape")
        known = {x: self._known[x] for x in sources}
        alone = self._alone(name, known)
        own = found if alone is None or alone.shape != theirs.shape else difference(alone, theirs)
        if self._is_rounding(name, own, alone, known, theirs, rounding):
            if self._apart & set(sources):
                self._apart.add(name)
                return replace(result, verdict="differs", note="as what it reads does")
            return self._rounding(result, found, ours, theirs, sources)
        if self._apart & set(sources):
            self._apart.add(name)
            return replace(result, verdict="differs", note="by itself too")
        result = self._departing.placed(result, sources)
        # What is only taken over from blobs that are the same has no rounding of its own.
        exact = (
            alone is not None
            and set(sources) <= self._same
            and numbers.taken_over(alone, known.values())
        )
        return self._departure(result, found, own, ours, theirs, sources, exact)

    def _rounding(
        self,
        result: BlobResult,
        found: Difference,
        ours: Array,
        theirs: Array,
        sources: Sequence[str],
    ) -> BlobResult:
        """The verdict where rounding made the difference, be it by ties."""
        with np.errstate(invalid="ignore"):  # the same infinity on both sides
            share = float(np.mean(np.abs(ours - theirs) > 1e-3 * found.scale))
        if share and (self._tied & set(sources) or self._has_places(result.blob)):
            self._tied.add(result.blob)
            return replace(result, verdict="ties", ties=share)
        return replace(result, verdict="rounding")

    def _is_rounding(
        self,
        name: str,
        own: Difference,
        alone: Array | None,
        known: Mapping[str, Array],
        theirs: Array,
        rounding: bool | None,
    ) -> bool:
        """Whether a layer, which reads what the reference has, gives what the reference has."""
        if own.largest <= SAME:
            return True
        chain = self._subject.chain(name)
        if is_of_sums(own) and any(layer.weight_shapes for layer in chain):
            return True
        if alone is None or own.not_finite:
            return False
        direct = {blob.name for layer in chain for blob in layer.bottoms}
        several = not set(known) <= direct  # layers at once
        if several and (is_of_sums(own) or (rounding is None and own.near and may_be_noise(own))):
            return True
        version = self._subject.network.blobs[name]
        if len(chain) == 1 and chain[0].bottoms and chain[0].bottoms[0].name in known:
            bottom = known[chain[0].bottoms[0].name]
            if are_ties(chain[0], version, bottom, alone, theirs):
                return True
        near = {x: y if self._has_places(x) else numbers.moved(y) for x, y in known.items()}
        again = self._alone(name, near)
        if again is None:
            return False
        moved = difference(again, alone)
        return (
            own.largest <= _ROUNDINGS * moved.largest
            # One entry at an edge, where rounding decides, does not speak for the others.
            and own.rms <= _ROUNDINGS * moved.rms
        )

    def _alone(self, name: str, known: Mapping[str, Array]) -> Array | None:
        """A blob as our layers make it of the reference's; None where they cannot take these."""
        if not known:
            return None
        try:
            return self._blobs.of(name, known)
        except refusals():
            return None

    def _has_places(self, name: str) -> bool:
        chain, version = self._subject.chain(name), self._subject.network.blobs[name]
        return any(holds_places(layer, version.index) for layer in chain)

    def _departure(
        self,
        result: BlobResult,
        found: Difference,
        own: Difference,
        ours: Array,
        theirs: Array,
        sources: Sequence[str],
        exact: bool,
    ) -> BlobResult:
        """The verdict where a layer itself does other than in the reference."""
        loud = self._explained == 0 or own.rms > _LOUDER * self._level
        cause = None
        if self.cause is None and loud and self._explained < _MOST_EXPLAINED:
            self._explained += 1
            cause = self._set_cause(result, ours, theirs, sources)
        if cause is None:
            self._level = max(self._level, own.rms)
            coarse = result.note or numbers.coarse(ours, theirs)
            # A layer may make more of noise in what it reads, or less.
            if not exact and (may_be_noise(own) or may_be_noise(found)):
                verdict = "rounding" if is_of_sums(own) else "noise"
                return replace(result, verdict=verdict, note=coarse or NOISE, since=(), unseen=())
            self.departed = self.departed or result.blob
            result = replace(result, note=coarse)
        else:
            self.departed = result.blob
        self._apart.add(result.blob)
        return replace(result, verdict="differs")

    def _set_cause(
        self, result: BlobResult, ours: Array, theirs: Array, sources: Sequence[str]
    ) -> Cause | None:
        sound = self._sound_inputs()
        for departure in self._departing.at(result, ours, theirs, sources, self._picture):
            departure = replace(departure, sound=sound)
            found = other_weights(departure, self._parameters) or self._explain(departure)
            if found is not None:
                self.cause = found
                if TAKEN in found.name:
                    self._unsettled = departure
                break
        return self.cause

    def _sound_inputs(self) -> frozenset[tuple[str, int]]:
        """Keys of inputs that a layer with weights reads whose blob is the reference's."""
        chains = [self._subject.chain(name) for name in self._same]
        return frozenset(
            blob.key for chain in chains if chain[0].weight_shapes for blob in chain[0].bottoms
        )

    def settle(self, results: Sequence[BlobResult]) -> None:
        """Decide between a blob that is shown at another time, and a layer that is left out.

        Args:
            results: those of all blobs, in order: of the ones behind it the first tell.
        """
        if self._unsettled is None:
            return
        name = self._unsettled.result.blob
        readers = {
            top.name
            for layer in self._subject.network.layers
            for top in layer.tops
            if any(bottom.name == name for bottom in layer.bottoms) and top.name != name
        }
        told = [x for x in results if x.blob in readers and x.verdict != "missing"]
        recovers = not any(x.failed for x in told) if told else None
        self.cause = self._explain(replace(self._unsettled, recovers=recovers)) or self.cause
