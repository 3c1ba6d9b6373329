"""The layers before a classifier's vectors, each of which must do the same on a larger image."""

from __future__ import annotations

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import Shape, Shapes
from keras_fcn.caffe.layers.spatial import FIRST
from keras_fcn.caffe.layers.uniform import OWN_NUMBERS, obstacle_to_growth
from keras_fcn.caffe.net.network import Layer, Network

_MORE = 1 << 24
"""Pixels that the larger image has more; nothing is computed for it."""

_Key = tuple[str, int]


class Body:
    """The maps of the image, as they are for a larger one.

    Attributes:
        larger: key of a map -> its shape for the larger image.
        faults: key of a blob -> the layer, and why what it makes has no place on that image.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.larger: dict[_Key, Shape] = {}
        self.faults: dict[_Key, str] = {}

    def take(self, layer: Layer) -> None:
        """Follow the maps through a layer."""
        if layer.is_source:
            images = [blob for blob in layer.tops if len(blob.shape or ()) == _IMAGES]
            self.larger.update((blob.key, _grown(blob.shape or ())) for blob in images)
        inherited = [self.faults[blob.key] for blob in layer.bottoms if blob.key in self.faults]
        if inherited:
            self.faults.update((blob.key, inherited[0]) for blob in layer.tops)
        elif any(blob.key in self.larger for blob in layer.bottoms):
            self._through(layer)

    def check(self, layer: Layer) -> None:
        """Require that all that a layer reads has a place on the larger image.

        Raises:
            NetworkError: it has not; the message names the layer that is the reason.
        """
        for blob in layer.bottoms:
            if blob.key in self.faults:
                raise NetworkError(self.faults[blob.key])

    def _through(self, layer: Layer) -> None:
        small = tuple(blob.shape or () for blob in layer.bottoms)
        large = tuple(self.larger.get(blob.key, blob.shape or ()) for blob in layer.bottoms)
        try:
            tops = layer.params.top_shapes(large, len(layer.tops))
        except NetworkError as error:
            tops, whys = small[:1] * len(layer.tops), [str(error)] * len(layer.tops)
        else:
            whys = [
                _why(layer, place, (small, large), tops[place]) for place in range(len(layer.tops))
            ]
        for blob, shape, why in zip(layer.tops, tops, whys, strict=False):
            self.larger[blob.key] = shape
            if why:
                self.faults[blob.key] = (
                    f"{self.network.place(layer)}: {why}; before the inner products each layer "
                    "must be known to do the same at every position of its map"
                )


_IMAGES = 4


def _grown(shape: Shape) -> Shape:
    more = (None if size is None else size + _MORE for size in shape[FIRST:])
    return (*shape[:FIRST], *more)


def _why(layer: Layer, place: int, bottoms: tuple[Shapes, Shapes], larger: Shape) -> str:
    params, count = layer.params, len(layer.tops)
    own = layer.tops[place].shape or ()
    if len(own) <= FIRST:  # no map; what reads it knows
        return ""
    small, large = bottoms
    if params.weight_shapes(small) != params.weight_shapes(large):
        return OWN_NUMBERS
    spatials = params.spatial(small, place, count), params.spatial(large, place, count)
    return obstacle_to_growth(spatials, bottoms, (own, larger))
