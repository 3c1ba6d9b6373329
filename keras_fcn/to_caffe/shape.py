"""Layers that bring elements into other axes, or into another order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.to_caffe.draft import Blob, Draft, array
from keras_fcn.to_caffe.registry import writes


@writes(keras.layers.Flatten)
def flatten(layer: Any, draft: Draft, x: Blob) -> Blob:
    """A vector in Keras' order: what reads it knows where its elements are in Caffe's."""
    if len(x.final_shape) == 1:
        return draft.one("Reshape", layer.name, x, shape=(0, 1))
    return draft.rearranged(x, layer.name, np.ravel)


@writes(keras.layers.Reshape)
def reshape(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Other axes."""
    return reshaped(draft, layer.name, x, layer.target_shape)


def reshaped(draft: Draft, name: str, x: Blob, shape: Sequence[int]) -> Blob:
    """An image's elements in Keras axes, of which one may be -1."""
    return draft.rearranged(x, name, lambda places: places.reshape(tuple(shape)))


@writes(keras.layers.Permute)
def permute(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Other axes, which are counted from 1."""
    order = [axis - 1 for axis in layer.dims]
    return draft.rearranged(x, layer.name, lambda places: places.transpose(order))


@writes(keras.layers.RepeatVector)
def repeat(layer: Any, draft: Draft, x: Blob) -> Blob:
    """(N, C) -> (N, times, C)."""
    x = draft.rearranged(x, f"{layer.name}_axis", lambda places: places[None])
    return draft.one("Tile", layer.name, x, axis=2, tiles=layer.n)


@writes(keras.layers.Embedding)
def embedding(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Embed, whose rows are the last axis in Caffe too."""
    if layer.mask_zero or len(x.final_shape) > 2:
        raise UnsupportedLayerError("only an embedding of vectors without mask_zero is written")
    fields = {"num_output": layer.output_dim, "input_dim": layer.input_dim, "bias_term": False}
    y = draft.one("Embed", layer.name, x, blobs=[array(layer.embeddings)], **fields)
    places = np.arange(math.prod(y.shape[1:])).reshape(y.shape[1:])
    return replace(y, order=places, flatten=f"{layer.name}_axes")


def mean_of_channels(draft: Draft, name: str, x: Blob, factor: float) -> Blob:
    """The sum of the channels times a factor: a convolution of 1 x 1."""
    x = draft.plain(x)
    count = len(x.shape) - 2
    weight = np.full((1, x.shape[1], *[1] * count), factor, np.float32)
    return draft.one(
        "Convolution",
        name,
        x,
        blobs=[weight],
        constant=True,
        num_output=1,
        bias_term=False,
        kernel_size=[1],
    )


def reduced(draft: Draft, name: str, x: Blob, axes: Any, keepdims: bool, method: str) -> Blob:
    """`method` MEAN or SUM over Keras axes."""
    x = draft.padded(x)
    rank = len(x.final_shape)
    wanted = set(range(rank) if axes is None else (axis % rank for axis in np.atleast_1d(axes)))
    if 0 in wanted:
        raise UnsupportedLayerError("images of a batch are not mixed")
    every, spatial = set(range(1, rank)), set(range(1, rank - 1))
    kept = [size for axis, size in enumerate(x.places.shape, 1) if axis not in wanted]
    if wanted == every:  # in whatever order
        y = draft.one("Reduction", name, x.raw, operation=method, axis=1)
    elif wanted == spatial:
        y = draft.one("Reduction", name, x, operation=method, axis=2)
    elif wanted == {rank - 1}:
        y = mean_of_channels(draft, name, x, 1 / x.final_shape[1] if method == "MEAN" else 1)
    else:
        raise UnsupportedLayerError(f"axis: {axes}: Caffe reduces its last axes only")
    shape = (
        [1 if axis in wanted else size for axis, size in enumerate(x.places.shape, 1)]
        if keepdims
        else kept
    )
    if not shape and not math.prod(y.shape[1:]) > 1:
        return y
    return draft.rearranged(y, f"{name}_axes", lambda places: places.reshape(shape))
