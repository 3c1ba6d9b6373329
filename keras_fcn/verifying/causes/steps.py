"""One layer's pass as data, and the passes from a layer to the blob that its followers leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.layers.base import LayerParams
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.verifying.departure import Departure
from keras_fcn.verifying.report import Array


@dataclass(frozen=True, eq=False)
class Step:
    """One layer's pass.

    Attributes:
        layer: the layer; its `params` count.
        blobs: its parameters in Caffe's layout.
        bottoms: what it reads, in Caffe's axis order.
        after: what is done to its top; None: nothing.
        made: its top, where it is known without computing it.
        detail: what is otherwise than in the network, in a few words.
    """

    layer: Layer
    blobs: tuple[Array, ...]
    bottoms: tuple[Array, ...]
    after: Callable[[Array], Array] | None = None
    made: Array | None = None
    detail: str = ""

    @property
    def params(self) -> Any:
        """The layer's typed parameters."""
        return self.layer.params

    @property
    def bottom(self) -> Array:
        """The first bottom."""
        return self.bottoms[0]

    def with_fields(self, detail: str = "", **fields: Any) -> Step:
        """The step with other parameters of its layer."""
        return self.with_params(replace(self.params, **fields), detail)

    def with_params(self, params: LayerParams, detail: str = "") -> Step:
        """The step with parameters of the same type for its layer."""
        return replace(self, layer=replace(self.layer, params=params), detail=detail)

    def with_blob(self, index: int, blob: npt.ArrayLike, detail: str = "") -> Step:
        """The step with another parameter blob, in the old one's shape."""
        blobs = list(self.blobs)
        blobs[index] = np.asarray(blob, np.float32).reshape(blobs[index].shape)
        return replace(self, blobs=tuple(blobs), detail=detail)

    def with_bottom(self, bottom: Array, detail: str = "") -> Step:
        """The step with another first bottom."""
        bottom = np.ascontiguousarray(bottom, np.float32)
        return replace(self, bottoms=(bottom, *self.bottoms[1:]), detail=detail)

    def then(self, after: Callable[[Array], Array], detail: str = "") -> Step:
        """The step with something done to its top."""
        return replace(self, after=after, detail=detail)

    def giving(self, made: Array, detail: str = "") -> Step:
        """The step with a top that is known."""
        return replace(self, made=made, detail=detail)


class Chain:
    """A layer and those behind it up to a blob, from what the reference has before them.

    Args:
        departure: where the network leaves its reference. An Input layer stands for a step
            that gives what it reads: our input.

    Attributes:
        theirs: the reference's blob.
        memo: what was found out of the chain, for those who ask again.
    """

    def __init__(self, departure: Departure) -> None:
        self.departure = departure
        self.theirs = departure.theirs
        bottoms = tuple(departure.bottoms) or (departure.ours,)  # of an input that differs
        self.memo: dict[str, Any] = {}
        first = Step(departure.layer, tuple(departure.blobs), bottoms)
        self._first, self._followers = first, departure.followers

    @cached_property
    def values(self) -> list[Array]:
        """The blob after each of the steps, and what the layers behind them make of it."""
        made = list(self._pass(self._first, self._followers))
        return made if self.departure.behind is None else [*made, self.departure.behind(made[-1])]

    @cached_property
    def steps(self) -> list[Step]:
        """The steps, each with what it reads."""
        behind = zip(self._followers, self.values, strict=False)  # whose last is the blob
        return [self._first, *(Step(x, tuple(own), (read,)) for (x, own), read in behind)]

    def wanted(self, step: Step) -> tuple[int, ...]:
        """The shape that the reference has behind a step, as far as it is seen there."""
        own = self.values[self.steps.index(step)].shape
        kept = own == self.values[-1].shape
        return self.theirs.shape if kept else own

    def top(self, position: int, step: Step, *, until: int | None = None) -> Array:
        """The blob with another step in a place.

        Args:
            position: which of the steps it stands for.
            step: the step.
            until: the blob after so many steps, instead of in the end.

        Raises:
            CaffeError: no layer does that.
        """
        *_, last = self._pass(step, self._followers[position : until and until - 1])
        behind = self.departure.behind
        return last if behind is None or until is not None else behind(last)

    def run(self, step: Step) -> Array:
        """The top of one step."""
        made = step.made
        if made is None and step.layer.is_source:
            made = step.bottom
        if made is None:
            tops = self.departure.recompute(step.layer, step.blobs, step.bottoms)
            made = tops[self.departure.index if step.layer.name == self._name else 0]
        return made if step.after is None else step.after(made)

    @property
    def _name(self) -> str:
        return self._first.layer.name

    def _pass(
        self, step: Step, followers: Sequence[tuple[Layer, Sequence[Array]]]
    ) -> Iterator[Array]:
        yield (made := self.run(step))
        for layer, own in followers:
            yield (made := self.run(Step(layer, tuple(own), (made,))))
