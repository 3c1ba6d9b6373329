"""The first layer whose top is not the reference's, with all that a search for its cause needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.net.network import Network
from keras_fcn.verifying.report import Array, BlobResult

if TYPE_CHECKING:
    from keras_fcn.preprocessing import Preprocessing

Recompute = Callable[[Layer, Sequence[Array], Sequence[Array]], list[Array]]
"""`recompute(layer, blobs, bottoms)`: the tops of one layer, all in Caffe's axis order."""


@dataclass(frozen=True)
class Departure:
    """Where a network leaves its reference.

    A blob that layers change in place is seen after the last of them, and some references do not
    show the blobs before: then `layer` is the first one behind what they show, and `followers` are
    the others, in their order.

    Attributes:
        result: the comparison of the blob.
        layer: the layer that makes it; an Input layer where the inputs differ.
        blobs: that layer's parameters in Caffe's layout.
        bottoms: what the layer reads, as the reference has it; ours where it does not show it.
        known: for each bottom whether it is the reference's own.
        theirs: the reference's blob.
        ours: ours.
        index: which of the layer's tops the blob is.
        network: the whole network.
        weights: layer name -> parameters in Caffe's layout, of all layers.
        recompute: computes one layer anew, by the builder.
        followers: the layers behind it up to the blob, each of one bottom, with its parameters.
        picture: what was fed as a picture, RGB in 0..255, (height, width, 3).
        preprocessing: how it was prepared.
        recovers: whether the blobs that are made of this one are the reference's again, as where
            it shows this one at another time; None: not known.
        sound: keys of the inputs of which another layer with weights makes what the reference has.
        behind: the blob as the whole network makes it of the top of `layer`, an Input, where the
            reference shows nothing between.
    """

    result: BlobResult
    layer: Layer
    blobs: Sequence[Array]
    bottoms: Sequence[Array]
    theirs: Array
    ours: Array
    network: Network
    recompute: Recompute
    known: Sequence[bool] = ()
    index: int = 0
    weights: Mapping[str, Sequence[Array]] = field(default_factory=dict)
    followers: Sequence[tuple[Layer, Sequence[Array]]] = ()
    picture: Array | None = None
    preprocessing: Preprocessing | None = None
    recovers: bool | None = None
    sound: frozenset[tuple[str, int]] = frozenset()
    behind: Callable[[Array], Array] | None = None

    def top(
        self,
        layer: Layer | None = None,
        blobs: Sequence[Array] | None = None,
        bottoms: Sequence[Array] | None = None,
    ) -> Any:
        """The blob as another layer, parameters or bottoms give it, changed in place as ours is.

        Args:
            layer: in place of `layer`, perhaps with other parameters in `params`.
            blobs: in place of `blobs`.
            bottoms: in place of `bottoms`.
        """
        made = self.recompute(
            self.layer if layer is None else layer,
            self.blobs if blobs is None else blobs,
            self.bottoms if bottoms is None else bottoms,
        )[self.index]
        if self.behind is not None:
            return self.behind(made)
        for follower, own in self.followers:
            made = self.recompute(follower, own, [made])[0]
        return made
