"""Images of a size that a network cannot take, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.words import either
from keras_fcn.cards.card import card_of
from keras_fcn.errors import UnfitSizeError

if TYPE_CHECKING:
    import keras

__all__ = ["unfit_size"]

_LAYER = re.compile(r"layer '[^']+' \(\w+\)")


def unfit_size(model: keras.Model, shape: Sequence[int], error: Exception) -> UnfitSizeError:
    """What is to be said of images that a network cannot take.

    Args:
        model: the network.
        shape: of the images, (N, height, width, channels).
        error: what it says itself. That of a layer names it; Keras' own says little.
    """
    declared, sizes = card_of(model).size, tuple(shape[1:3])
    if declared is not None and len(shape) == 4 and declared != sizes:
        given, wanted = ("{}x{}".format(*size) for size in (sizes, declared))
        how = either(f"a preprocessing of size={declared}", f"--size {wanted}")
        return UnfitSizeError(
            f"{error}; the network, given {given}, is declared for {wanted}: {how} resizes to it"
        )
    layer = _LAYER.search(str(error)) if isinstance(error, CaffeError) else None
    return UnfitSizeError(
        f"model {model.name!r} takes (batch, height, width, channels) as {model.input_shape}, and "
        f"images large enough for its windows. Received: {tuple(shape)}"
        + (f", which {layer[0]} cannot take" if layer else "")
    )
