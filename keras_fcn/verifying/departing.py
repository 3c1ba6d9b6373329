"""How a departure is put together: what the reference shows before it, and its parameters."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from keras_fcn.caffe.net.layer import Blob, Layer
from keras_fcn.engines.differences import SAME, difference
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.verifying.departure import Departure, Recompute
from keras_fcn.verifying.passes import Blobs
from keras_fcn.verifying.references import Subject
from keras_fcn.verifying.report import Array, BlobResult, Cause

_MOST_UNSEEN = 6
"""Layers that are looked at together, where a reference does not show the blobs between."""


@dataclass(frozen=True)
class Picture:
    """What was fed as a picture.

    Attributes:
        pixels: RGB in 0..255, (height, width, 3).
        preprocessing: how it was prepared.
    """

    pixels: Array
    preprocessing: Preprocessing


class Departing:
    """Makes departures of a pass.

    Args:
        subject: the network.
        blobs: its blobs.
        known: the reference's blobs, as far as later layers read them.
        recompute: computes one layer anew.
    """

    def __init__(
        self, subject: Subject, blobs: Blobs, known: Mapping[str, Array], recompute: Recompute
    ) -> None:
        self._subject, self._blobs, self._known = subject, blobs, known
        self._recompute = recompute

    def at(
        self,
        result: BlobResult,
        ours: Array,
        theirs: Array,
        sources: Sequence[str],
        picture: Picture | None = None,
    ) -> list[Departure]:
        """The departures at a blob; more than one where it may be that of several inputs.

        Where the reference does not show what its layer reads, it is that of the few layers behind
        what it does show, or else of the whole network behind its images; none of the rest.

        Args:
            result: the comparison of the blob.
            ours: our content.
            theirs: the reference's.
            sources: the known blobs of which the model makes this one.
            picture: what was fed as a picture.
        """
        net = self._subject.net
        weights = {x: list(net.params.peek(x)) for x in net.params}
        layer, *followers = self._unseen(result.blob)
        known = [self._is_known(x) for x in layer.bottoms]
        common = Departure(
            result,
            layer,
            weights.get(layer.name, []),
            [],
            theirs,
            ours,
            self._subject.network,
            self._recompute,
            weights=weights,
            picture=None if picture is None else picture.pixels,
            preprocessing=None if picture is None else picture.preprocessing,
        )
        if not all(known):
            return list(self._of_inputs(common, sources))
        one = replace(
            common,
            bottoms=[self._known[x.name] for x in layer.bottoms],
            known=known,
            index=next((i for i, x in enumerate(layer.tops) if x.name == result.blob), 0),
            followers=[(x, weights.get(x.name, [])) for x in followers],
        )
        return [one]

    def _of_inputs(self, common: Departure, sources: Sequence[str]) -> Iterator[Departure]:
        """A departure for each input of images, where the blob is made of inputs alone."""
        network, known = self._subject.network, {x: self._known[x] for x in sources}
        comparable = common.theirs.shape == common.ours.shape
        if not comparable or not known.keys() <= network.input_shapes.keys():
            return
        makers = {x.keras_name: x for x in network.layers}
        for blob in network.inputs:
            if blob.name in known and known[blob.name].ndim > 2:
                behind = functools.partial(self._made_of, common.result.blob, known, blob.name)
                yield replace(
                    common,
                    layer=makers[blob.maker],
                    blobs=[],
                    bottoms=[known[blob.name]],
                    known=[True],
                    behind=behind,
                )

    def _made_of(self, name: str, known: Mapping[str, Array], changed: str, array: Array) -> Array:
        return self._blobs.of(name, {**known, changed: array})

    def placed(self, result: BlobResult, sources: Sequence[str]) -> BlobResult:
        """The result with the layers that the reference does not show before it."""
        network, own = self._subject.network, self._subject.chain(result.blob)
        makers = {x.keras_name: x for x in network.layers}
        found = {x.keras_name for x in own}
        pending = [*own]
        while pending:
            for blob in pending.pop().bottoms:
                maker = makers[blob.maker]
                if blob.name not in sources and blob.maker not in found and not maker.is_source:
                    found.add(blob.maker)
                    pending.append(maker)
        if len(found) == len(own):
            return result
        names = tuple(x.name for x in network.layers if x.keras_name in found)
        since = tuple(x for x in network.blobs if x in sources)
        return replace(result, since=since, unseen=names)

    def _unseen(self, name: str) -> list[Layer]:
        """The layers behind what the reference shows, up to a blob; not more than a few.

        Where they are more, or branch, those alone that make the blob and change it in place.
        """
        own = list(self._subject.chain(name))
        makers = {x.keras_name: x for x in self._subject.network.layers}
        chain, blob = list(own), own[0].bottoms[0] if len(own[0].bottoms) == 1 else None
        while blob is not None and not self._is_known(blob):
            maker = makers[blob.maker]
            if len(maker.bottoms) != 1 or blob.index or len(chain) >= _MOST_UNSEEN:
                return own
            chain.insert(0, maker)
            blob = maker.bottoms[0]
        return chain

    def _is_known(self, blob: Blob) -> bool:
        """Whether it is what the reference has in the end under the blob's name."""
        return blob.name in self._known and self._subject.network.blobs[blob.name].key == blob.key


def other_weights(
    departure: Departure, parameters: Mapping[tuple[str, int], Array]
) -> Cause | None:
    """The cause where the reference tells its parameters, and they are others.

    Args:
        departure: where the network leaves the reference.
        parameters: the reference's, by layer and index.
    """
    layer = departure.layer
    theirs = [parameters.get((layer.name, i)) for i in range(len(departure.blobs))]
    if not theirs or any(x is None for x in theirs):
        return None
    pairs = zip(theirs, departure.blobs, strict=True)
    blobs = [np.reshape(x, y.shape) for x, y in pairs if x is not None]
    apart = [difference(x, y).largest for x, y in zip(departure.blobs, blobs, strict=True)]
    if max(apart) <= SAME:
        return None
    index = int(np.argmax(apart))
    after = difference(departure.top(blobs=blobs), departure.theirs).rms
    before = departure.result.rms
    if after > before / 10:
        return None
    return Cause(
        "other weights",
        f"the reference ran with other parameters in layer {layer.name!r}: its blob {index} "
        f"is {apart[index]:.1e} away from the file's",
        before,
        after,
    )
