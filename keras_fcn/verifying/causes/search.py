"""The search for the one hypothesis with which a difference is gone."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.engines.differences import Difference, difference
from keras_fcn.verifying.causes.order import TAKEN
from keras_fcn.verifying.causes.registry import HYPOTHESES, Hypothesis
from keras_fcn.verifying.causes.steps import Chain, Step
from keras_fcn.verifying.departure import Departure
from keras_fcn.verifying.report import Array, Cause

_ROUNDING = 1e-5
"""Largest difference that needs no cause."""
_GONE = 1 / 30
"""What may be left of a difference that is gone, as a share of it."""
_LEFT = 5e-3
"""The largest difference that may be left at any entry."""
_ALIKE = 3
"""Two hypotheses explain equally whose rests are not further apart than this factor."""
_TELLING = 4
"""Different numbers that a blob has to be made of, where layers before it are not seen."""
_SECONDS = 60.0
"""What a search may take that computes the whole network for each hypothesis."""
_LEFT_OUT = "layer left out"
_FAR = Difference(np.inf, np.inf, cosine=0.0, within=0.0, scale=1.0, spread=0.0, place=())


@dataclass(frozen=True)
class _Found:
    """A hypothesis with which the difference is gone."""

    hypothesis: Hypothesis
    step: Step
    rest: Difference

    def explains(self, before: Difference) -> bool:
        """Whether the difference is gone with it."""
        return self.rest.largest <= _LEFT and self.rest.rms <= _GONE * before.rms

    @property
    def sentence(self) -> str:
        layer = f"layer {self.step.layer.name!r} ({self.step.layer.type})"
        return self.hypothesis.sentence.format(layer=layer, detail=self.step.detail)


def explain(departure: Departure) -> Cause | None:
    """Find out why a layer's top is not the reference's.

    The layer is computed anew from what the reference has before it, with one hypothesis at a
    time; see `keras_fcn.verifying.causes.registry.HYPOTHESES`.

    Args:
        departure: where the network leaves its reference.

    Returns:
        The hypothesis with which the difference is gone, the one that takes least from the
        reference's numbers; where several explain equally, they are all named. None where none
        does, or where there is no more than rounding to explain. Of layers whose bottoms the
        reference does not show no numbers are taken.
    """
    chain = Chain(departure)
    with np.errstate(all="ignore"):
        before = _apart(chain.values[-1], chain.theirs)
        if before.largest <= _ROUNDING or not np.isfinite(chain.theirs).all():
            return None
        if departure.result.unseen and not _tells(chain):
            return None
        found: list[_Found] = []
        for freedom in sorted({x.freedom for x in HYPOTHESES.values()}):
            hypotheses = [x for x in HYPOTHESES.values() if x.freedom == freedom]
            found = _nearest(_likely(_gone(chain, before, hypotheses), departure.recovers))
            if found:
                break
    if not found:
        return None
    rms = min(before.rms, 1.0) if np.isfinite(before.rms) else np.inf
    after = max(x.rest.rms for x in found)
    if len(found) == 1:
        return Cause(found[0].hypothesis.name, found[0].sentence, rms, after)
    told = "; or ".join(x.sentence for x in found)
    return Cause(
        " or ".join(dict.fromkeys(x.hypothesis.name for x in found)),
        f"{len(found)} causes explain it equally, and these numbers do not tell which: {told}",
        rms,
        after,
    )


def _apart(ours: Array, theirs: Array) -> Difference:
    """How far two blobs are apart: infinitely where the shapes differ."""
    comparable = ours.shape == theirs.shape and theirs.size
    return difference(ours, theirs) if comparable else _FAR


def _tells(chain: Chain) -> bool:
    """Whether the entries that differ are more than a few numbers, which any fault may give.

    Those of a softmax may be 0 and 1 whatever was done before it.
    """
    ours, theirs = chain.values[-1], chain.theirs
    if ours.shape != theirs.shape:
        return True
    scale = float(np.abs(theirs).max(initial=0)) or 1.0
    apart = theirs[np.abs(ours - theirs) > _LEFT * scale]
    return len(np.unique(np.round(apart / scale, 2))) >= _TELLING


def _gone(chain: Chain, before: Difference, hypotheses: Sequence[Hypothesis]) -> Iterator[_Found]:
    """Every hypothesis with which the difference is gone, with its best variant at each step."""
    unseen = chain.departure.result.unseen
    end = np.inf if chain.departure.behind is None else time.monotonic() + _SECONDS
    for position, step in enumerate(chain.steps):
        for hypothesis in hypotheses:
            if not hypothesis.suits(step) or (hypothesis.freedom and unseen and position):
                continue
            if time.monotonic() > end:
                return
            tried = [_Found(hypothesis, *pair) for pair in _tried(chain, position, hypothesis)]
            gone = [x for x in tried if x.explains(before)]
            if gone:
                yield min(gone, key=lambda x: x.rest.rms)


def _tried(
    chain: Chain, position: int, hypothesis: Hypothesis
) -> Iterator[tuple[Step, Difference]]:
    """The steps of a hypothesis that can be computed, with what is left of the difference."""
    for step in hypothesis.edits(chain.steps[position], chain):
        try:
            made = chain.top(position, step)
        except (CaffeError, ValueError):  # no layer does that, so the reference's neither
            continue
        yield step, _apart(made, chain.theirs)


def _likely(found: Iterable[_Found], recovers: bool | None) -> list[_Found]:
    """Those that go with whether the reference recovers behind the blob."""
    unlikely = {True: _LEFT_OUT, False: TAKEN}.get(recovers) if recovers is not None else None
    return [x for x in found if x.hypothesis.name != unlikely]


def _nearest(found: list[_Found]) -> list[_Found]:
    """Those with which the least is left."""
    if not found:
        return []
    least = min(x.rest.rms for x in found)
    return [x for x in found if x.rest.rms <= max(_ALIKE * least, _ROUNDING / 10)]
