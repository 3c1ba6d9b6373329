"""Whether the gradients of the losses of a net get anywhere, as Caffe asks when it goes back."""

from __future__ import annotations

from collections.abc import Iterator

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.net.network import Layer, Network
from keras_fcn.pycaffe.wiring import loss_weights_of
from keras_fcn.solver.passing import Key, passings

__all__ = ["require_gradients"]


def require_gradients(network: Network) -> Iterator[str]:
    """Refuse a net that Caffe stops at on its way back.

    Yields:
        What else is odd: losses whose gradients reach no parameter that has a rate.

    Raises:
        NetworkError: a layer that cannot pass a gradient to a bottom has to.
    """
    moving: set[Key] = set()  # what follows a parameter that is trained
    for each in passings(network):
        layer = each.layer
        if layer is None or not each.backward:
            continue
        handing = {key for _, key in each.handing}
        _require(layer, handing)
        trains = any(spec != 0 for spec in each.rates)
        if layer.params.has_gradient and (trains or handing & moving):
            moving |= {top.key for top in layer.tops}
    for layer in network.layers:
        for top, weight in zip(layer.tops, loss_weights_of(layer), strict=True):
            if weight and top.key not in moving:
                yield f"{layer.place}: the gradient of {top.name!r} reaches no parameter"


def _require(layer: Layer, handing: set[Key]) -> None:
    numbers, bottoms = layer.params.stops_gradient, layer.bottoms
    if numbers is not None:
        bottoms = tuple(bottoms[number] for number in numbers if number < len(bottoms))
    for blob in bottoms:
        if blob.key in handing:
            raise NetworkError(
                f"{layer.place}: cannot backpropagate to bottom {blob.name!r}, which follows a "
                "parameter that is trained, or whose propagate_down is true; Caffe stops here "
                "too. Give the layer propagate_down: false for it, or a lr_mult of 0 to the "
                "parameter"
            )
