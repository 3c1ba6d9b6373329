"""Caffe's blobs by the layer that writes them."""

from __future__ import annotations

from typing import Any

import keras
from keras.layers import Dropout, Flatten, ReLU, ZeroPadding2D

from keras_fcn.graph.calls import calls
from keras_fcn.layers import BatchNorm, SampledDropout, Scale

Places = dict[str, tuple[str, int]]
"""Blob -> name of a layer and which of its outputs."""

_IN_PLACE = (BatchNorm, Dropout, ReLU, SampledDropout, Scale)
# In Caffe the convolution pads, and the inner product flattens.
_PARTS_OF_OTHERS = (Flatten, ZeroPadding2D)


def writes(layer: Any, blob: str) -> Any:
    """A layer that writes a blob of another name than its own, or one of its own after all.

    Without this a layer's blob has the layer's name, and a ReLU, Dropout, BatchNorm or Scale
    works in place.
    """
    layer.caffe_top = blob
    return layer


def in_place(layer: Any) -> Any:
    """A layer that overwrites what it reads, though its kind mostly does not."""
    return writes(layer, "")


def blob_places(model: keras.Model) -> tuple[Places, Places]:
    """Caffe's blobs in a network of this package.

    Args:
        model: built of layers for which `writes` tells the exceptions.

    Returns:
        `blobs` and `contents` of `keras_fcn.core.card.Card`: a blob is what the
        last layer that works in place leaves in it. An activation behind a Flatten, which
        Caffe does not have there, keeps the axes of the map.
    """
    blobs: Places = {}
    contents: Places = {}
    held: dict[int, str] = {}
    flat: set[int] = set()
    for layer, inputs, outputs, _ in calls(model):
        if isinstance(layer, _PARTS_OF_OTHERS):
            held[id(outputs[0])] = held[id(inputs[0])]
            if isinstance(layer, Flatten):
                flat.add(id(outputs[0]))
            continue
        top = getattr(layer, "caffe_top", "" if isinstance(layer, _IN_PLACE) else layer.name)
        top = top or held[id(inputs[0])]
        for index, tensor in enumerate(outputs):
            name = f"{top}_mask" if index else top
            blobs[name], held[id(tensor)] = (layer.name, index), name
        if inputs and id(inputs[0]) in flat and not layer.weights:
            blobs[top], contents[top] = blobs[held[id(inputs[0])]], (layer.name, 0)
    return blobs, contents
