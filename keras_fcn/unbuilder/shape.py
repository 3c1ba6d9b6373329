"""Layers that bring elements into other axes, or into another order."""

from __future__ import annotations

from typing import Any

import keras

from keras_fcn import layers
from keras_fcn.caffe.layers import LayerParams
from keras_fcn.caffe.layers.mobile import ShuffleChannel
from keras_fcn.caffe.layers.reduction import ArgMax, Reduction
from keras_fcn.caffe.layers.reverse import Reverse
from keras_fcn.caffe.layers.shape import Flatten, PixelShuffle, Reshape
from keras_fcn.caffe.layers.ssd import Permute
from keras_fcn.caffe.layers.yolo import Reorg
from keras_fcn.layers._axes import channels_first_shape
from keras_fcn.unbuilder.inputs import rank
from keras_fcn.unbuilder.registry import is_no_layer, unbuilds, unbuilds_alike

unbuilds_alike(
    {
        layers.ArgMax: ArgMax,
        layers.CaffePermute: Permute,
        layers.CaffeReshape: Reshape,
        layers.Reduction: Reduction,
        layers.Reorg: Reorg,
    }
)
unbuilds_alike({layers.PixelShuffle: PixelShuffle}, pixelshuffler="ratio")
unbuilds_alike({layers.Reverse: Reverse}, axis="axes")
unbuilds_alike({layers.ShuffleChannel: ShuffleChannel}, group="groups")


@unbuilds(keras.layers.Flatten)
def flatten(layer: Any) -> LayerParams | None:
    """Of vectors; maps are flattened in Keras' order of axes."""
    axes = rank(layer)
    if axes == 1:
        return Reshape(shape=(0, 1))
    return Flatten() if axes == 2 else None


@unbuilds(keras.layers.Permute)
def permute(layer: Any) -> LayerParams:
    """Keras counts axes from 1 and has the channels last."""
    order = (0, *layer.dims)
    first = channels_first_shape(range(len(order)))
    return Permute(order=tuple(first.index(order[axis]) for axis in first))


is_no_layer({keras.layers.Reshape: "it takes the elements in Keras' order of axes"})
