"""Whether the gradients of the losses of a net get anywhere, as Caffe asks when it goes back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.accuracy import Accuracy
from keras_fcn.caffe.layers.base import LayerParams
from keras_fcn.caffe.layers.elementwise import Threshold
from keras_fcn.caffe.layers.loss import HingeLoss, MultinomialLogisticLoss, SigmoidCrossEntropyLoss
from keras_fcn.caffe.layers.multibox import MultiBoxLoss
from keras_fcn.caffe.layers.reduction import ArgMax
from keras_fcn.caffe.layers.selection import BatchReindex, Embed, Filter
from keras_fcn.caffe.layers.softmax_loss import InfogainLoss, SoftmaxWithLoss
from keras_fcn.caffe.net.network import Layer, Network
from keras_fcn.pycaffe.wiring import loss_weights_of
from keras_fcn.solver.passing import Key, passings

__all__ = ["require_gradients"]

# Kind -> which bottoms, counted from 0 or from the end, Caffe stops at when asked to pass a
# gradient to; None: all. `Backward_cpu` of each layer in `src/caffe/layers` of BVLC Caffe 1.0,
# and of SSD's.
_STOPS: Mapping[type[LayerParams], tuple[int, ...] | None] = {
    **dict.fromkeys((ArgMax, Accuracy, Threshold), None),
    **dict.fromkeys((SoftmaxWithLoss, SigmoidCrossEntropyLoss, HingeLoss), (1,)),
    **dict.fromkeys((MultinomialLogisticLoss, BatchReindex), (1,)),
    InfogainLoss: (1, 2),
    MultiBoxLoss: (2, 3),
    Embed: (0,),
    Filter: (-1,),
}


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
    kind = next((kind for kind in _STOPS if isinstance(layer.params, kind)), None)
    if kind is None:
        return
    numbers = _STOPS[kind]
    stops = (
        layer.bottoms if numbers is None else [layer.bottoms[n] for n in _within(layer, numbers)]
    )
    for blob in stops:
        if blob.key in handing:
            raise NetworkError(
                f"{layer.place}: cannot backpropagate to bottom {blob.name!r}, which follows a "
                "parameter that is trained, or whose propagate_down is true; Caffe stops here "
                "too. Give the layer propagate_down: false for it, or a lr_mult of 0 to the "
                "parameter"
            )


def _within(layer: Layer, numbers: tuple[int, ...]) -> Iterator[int]:
    return (n for n in numbers if n < len(layer.bottoms))
