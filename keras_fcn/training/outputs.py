"""Networks with several outputs: one is trained for, the others are second heads."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

import keras

from keras_fcn.caffe.words import either
from keras_fcn.core.card import card_of
from keras_fcn.core.model import CaffeFunctional
from keras_fcn.graph.calls import calls

__all__ = ["main_network"]


def main_network(model: keras.Model, auxiliary: Iterable[str]) -> keras.Model:
    """The network up to the one output that is no second head; itself where it has one output.

    Args:
        model: the network.
        auxiliary: names of the layers of second heads, or patterns of them.

    Returns:
        A network of the same layers, which has the card of the given one.

    Raises:
        ValueError: several outputs are no second heads, or all are.
    """
    if len(model.outputs) == 1:
        return model
    made_by = {id(x): call.operation.name for call in calls(model) for x in call.outputs}
    patterns = list(auxiliary)
    names = {made_by[id(x)]: x for x in model.outputs}
    main = [name for name in names if not any(fnmatchcase(name, p) for p in patterns)]
    if len(main) != 1:
        told = either("auxiliary={layer: weight}", "--auxiliary LAYER=W")
        raise ValueError(
            "of several outputs one is trained for, and each other one needs the weight of its "
            f"loss: {told}. Received: {model.name!r} with outputs of the layers "
            f"{', '.join(names)}, and weights for {', '.join(patterns) or 'none'}"
        )
    network = CaffeFunctional(model.input, names[main[0]], name=model.name)
    network.card = card_of(model)
    return network
