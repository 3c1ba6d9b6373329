"""Blobs that the reference shows at another time: before or after layers that follow."""

from __future__ import annotations

from collections.abc import Iterator

from keras_fcn.caffe.net.layer import Layer
from keras_fcn.verifying.causes.registry import hypothesis
from keras_fcn.verifying.causes.steps import Chain, Step

TAKEN = "in-place order"


@hypothesis(TAKEN, "the reference shows this blob {detail}")
def taken(step: Step, chain: Chain) -> Iterator[Step]:
    """Blobs dumped layer by layer, or activations that are part of the layer before."""
    if step is not chain.steps[-1] or chain.departure.behind is not None:
        return
    names = [x.layer.name for x in chain.steps]
    blob = step.layer.tops[0].name
    for index, value in enumerate(chain.values[:-1]):
        if chain.steps[index].layer.tops[0].name != blob:
            continue
        told = ", ".join(map(repr, names[index + 1 :]))
        yield step.giving(value, f"as it is before {told} in place")
    made, passed = chain.values[-1], []
    for layer in _behind(chain):
        blobs = tuple(chain.departure.weights.get(layer.name, ()))
        made = chain.run(Step(layer, blobs, (made,)))
        passed.append(repr(layer.name))
        yield step.giving(made, f"as it is behind {', '.join(passed)}")


def _behind(chain: Chain) -> Iterator[Layer]:
    """The layers of one bottom and one top, element by element, that follow the blob."""
    network, last = chain.departure.network, chain.steps[-1].layer
    index = chain.departure.index if last is chain.departure.layer else 0
    key = last.tops[index].key
    while True:
        readers = [x for x in network.layers if any(blob.key == key for blob in x.bottoms)]
        if len(readers) != 1:
            return
        (layer,) = readers
        if not layer.params.elementwise or (len(layer.bottoms), len(layer.tops)) != (1, 1):
            return
        yield layer
        key = layer.tops[0].key
