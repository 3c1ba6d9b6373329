"""Layers of `keras_fcn.layers` that are more, or less, than one layer of BVLC Caffe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import keras
import numpy as np

from keras_fcn import layers
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers.dummy_data import DummyData
from keras_fcn.caffe.layers.upsample import SegNetUpsample
from keras_fcn.layers._axes import channels_first_shape
from keras_fcn.layers.tied import Tied
from keras_fcn.to_caffe import functions
from keras_fcn.to_caffe.draft import Blob, Draft, array
from keras_fcn.to_caffe.registry import writer_of, writes
from keras_fcn.to_caffe.unbuilt import placed, single, unbuilt


@writes(layers.PReLU)
def prelu(layer: Any, draft: Draft, x: Blob) -> Blob:
    """A slope for each channel, or one."""
    alpha, x = array(layer.alpha), draft.made(x)
    blob = alpha.reshape(()) if layer.channel_shared else x.arranged(alpha.reshape(-1))
    return draft.each(single(layer), layer.name, x, blobs=[blob])


@writes(layers.PixelwiseSoftmax)
def softmax(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Along the channels."""
    y = functions.softmax(draft, layer.name, x)
    if not layer.flatten:
        return y
    name = f"{layer.name}_positions"
    return draft.rearranged(y, name, lambda places: places.reshape(-1, places.shape[-1]))


@writes(layers.Scale, layers.Bias)
def scale(layer: Any, draft: Draft, *bottoms: Blob) -> Any:
    """A bias beside a scale that is the second input has that one's shape in Caffe."""
    shapes = [tuple(weight.shape) for weight in layer.weights]
    if len(bottoms) > 1 and shapes and shapes[0] != bottoms[1].final_shape:
        raise UnsupportedLayerError("a bias of another shape than the second input")
    return unbuilt(layer, draft, *bottoms)


@writes(layers.DummyData)
def dummy_data(layer: Any, draft: Draft, anchor: Blob) -> Any:
    """Constants, or random numbers; what follows the batch gets that of the input."""
    shapes = [
        channels_first_shape(tuple(anchor.shape[0] if size is None else size for size in shape))
        for shape in layer.shapes
    ]
    params = replace(cast(DummyData, single(layer)), shape=tuple(shapes))
    return placed(layer, params, draft, anchor)


@writes(layers.InfogainLoss)
def infogain_loss(layer: Any, draft: Draft, *bottoms: Blob) -> Any:
    """A matrix that the layer holds is a Parameter in Caffe."""
    if layer.infogain is None:
        return unbuilt(layer, draft, *bottoms)
    h = np.asarray(layer.infogain, np.float32)
    h = h.reshape(1, 1, *h.shape)
    matrix = draft.one("Parameter", f"{layer.name}_h", blobs=[h], constant=True, shape=h.shape)
    bare = layers.InfogainLoss.from_config(layer.get_config() | {"infogain": None})
    return placed(layer, single(bare), draft, *bottoms, matrix)


@writes(layers.UpsampleLike)
def upsample_like(layer: Any, draft: Draft, x: Blob, mask: Blob, like: Blob) -> Any:
    """SegNet's Upsample, to the size that was pooled."""
    height, width = like.final_shape[2:]
    return placed(layer, SegNetUpsample(size=(height, width)), draft, x, mask)


@writes(layers.Overwritten)
def overwritten(layer: Any, draft: Draft, old: Blob, new: Blob) -> Blob:
    """The new elements in the old blob's shape."""
    old, new = draft.plain(old), draft.plain(new)
    if old.shape == new.shape:
        return new
    return draft.one("Reshape", layer.name, new, shape=(0, *old.shape[1:]))


@writes(Tied)
def tied(layer: Any, draft: Draft, *bottoms: Blob) -> Any:
    """The layer itself with the weights that it uses; they are shared by name at the end."""
    used = zip(layer.layer.weights, layer.used_weights, strict=True)
    values = [(own, keras.ops.reshape(weight, own.shape)) for own, weight in used]
    write = writer_of(layer.layer)
    if write is None:
        raise UnsupportedLayerError(f"a shared {type(layer.layer).__name__} is not written")
    with keras.StatelessScope(state_mapping=values):
        return write(layer.layer, draft, *bottoms)
