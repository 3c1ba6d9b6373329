"""How a departure is put together: what the reference shows before it, and its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
        self, result: BlobResult, ours: Array, theirs: Array, picture: Picture | None = None
    ) -> Departure:
        """The departure at a blob.

        Args:
            result: the comparison of the blob.
            ours: our content.
            theirs: the reference's.
            picture: what was fed as a picture.
        """
        net = self._subject.net
        weights = {x: list(net.params.peek(x)) for x in net.params}
        layer, *followers = self._unseen(result.blob)
        index = next((i for i, x in enumerate(layer.tops) if x.name == result.blob), 0)
        known = [self._is_known(x) for x in layer.bottoms]
        bottoms = [
            self._known[x.name] if own else self._blobs.version(x, self._known)
            for x, own in zip(layer.bottoms, known, strict=True)
        ]
        return Departure(
            result,
            layer,
            weights.get(layer.name, []),
            bottoms,
            theirs,
            ours,
            self._subject.network,
            self._recompute,
            known,
            index,
            weights,
            [(x, weights.get(x.name, [])) for x in followers],
            None if picture is None else picture.pixels,
            None if picture is None else picture.preprocessing,
        )

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
