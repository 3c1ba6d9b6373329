"""Keras models by way of the Caffe networks that they are, for files that hold those."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.net.saving import NETWORK_NAME, to_text
from keras_fcn.caffe.nodes.graph import NeedsSizes
from keras_fcn.caffe.text.card_line import CARD_NAME
from keras_fcn.caffe.words import either
from keras_fcn.core.card import card_of
from keras_fcn.core.stored_cards import card_text
from keras_fcn.to_caffe.open_sizes import open_net


def write_caffe_form(
    model: keras.Model,
    write: Callable[..., Any],
    input_shapes: Mapping[str, Sequence[int | None]] | None = None,
) -> dict[str, Shape]:
    """Write a model as the Caffe network that it is.

    Args:
        model: the model.
        write: `write(net, shapes=..., metadata=...)`.
        input_shapes: input -> sizes that are not free, in Caffe's axis order.

    Returns:
        Input blob -> a shape that it takes.

    Raises:
        UnsupportedLayerError: the model has no Caffe form, or that has none as such a file.
        CaffeError: the file cannot be written, or has to be for images of one size.
        ValueError: there is no such input.
    """
    names = [tensor.name for tensor in model.inputs]
    for name in input_shapes or {}:
        if name not in names:
            raise ValueError(f"the inputs are {', '.join(names)}. Received: {name!r}")
    try:
        net, shapes = open_net(model, input_shapes)
        metadata = {
            "network": net.network.name,
            CARD_NAME: card_text(card_of(model)),
            NETWORK_NAME: to_text(net.network),
        }
        write(net, shapes=shapes, metadata=metadata)
    except NeedsSizes as error:
        name = model.inputs[0].name
        raise CaffeError(
            f"{error}; the file can be for images of one size: give "
            + either(
                f'input_shapes={{"{name}": (channels, height, width)}}', f"--input {name}=CxHxW"
            )
        ) from error
    return {blob.name: blob.shape or () for blob in net.network.inputs}
