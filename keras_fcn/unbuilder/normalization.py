"""Normalizations."""

from __future__ import annotations

from typing import Any

import keras

from keras_fcn import layers
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import LayerParams
from keras_fcn.caffe.layers import normalization as caffe
from keras_fcn.caffe.layers.bn import PSPNetBN, SegNetBN
from keras_fcn.caffe.layers.ssd import Normalize, UnitNormalize
from keras_fcn.unbuilder.inputs import caffe_axis, input_shapes
from keras_fcn.unbuilder.registry import alike, is_no_layer, unbuilds, unbuilds_alike

_UNIT_EPS = 1e-6  # fixed in the layer's source

unbuilds_alike(
    {
        layers.BatchNorm: caffe.BatchNorm,
        layers.GRN: caffe.GRN,
        layers.LocalResponseNormalization: caffe.LRN,
        layers.MVN: caffe.MVN,
    }
)
unbuilds_alike({layers.ScaledBatchNorm: caffe.ScaledBatchNorm}, bias_term="use_bias")
unbuilds_alike({layers.BN: SegNetBN}, bn_mode="mode")


@unbuilds(keras.layers.BatchNormalization)
def batch_normalization(layer: Any) -> LayerParams | None:
    """PSPNet's BN with gamma and beta, Caffe's BatchNorm without; one of them is two layers."""
    axis = caffe_axis(layer, keras.tree.flatten(layer.axis)[0])
    if layer.scale and layer.center and len(input_shapes(layer)[0]) <= 4:
        if axis not in (1, 2):
            raise UnsupportedLayerError(f"axis: {layer.axis}: Caffe's BN has the axes 1 and 2")
        return PSPNetBN(
            momentum=layer.momentum, eps=layer.epsilon, frozen=not layer.trainable, axis=axis
        )
    if layer.scale or layer.center:
        return None
    if axis != 1:
        raise UnsupportedLayerError(f"axis: {layer.axis}: only channels are normalized in Caffe")
    return caffe.BatchNorm(moving_average_fraction=layer.momentum, eps=layer.epsilon)


@unbuilds(layers.Normalize)
def normalize(layer: Any) -> LayerParams:
    """SSD's with a scale, NormFace's without."""
    if layer.use_scale:
        if layer.order != 2:
            raise UnsupportedLayerError(f"order: {layer.order}: SSD's Normalize has order 2")
        return alike(layer, Normalize)
    if layer.across_spatial:
        raise UnsupportedLayerError("across_spatial: True: no Caffe has it without a scale")
    if layer.eps != _UNIT_EPS:
        raise UnsupportedLayerError(f"eps: {layer.eps}: without a scale Caffe's is {_UNIT_EPS}")
    return UnitNormalize(normalize_type=f"L{layer.order}")


is_no_layer(
    {
        keras.layers.Normalization: "it is a fixed Scale with a bias in Caffe",
        keras.layers.Rescaling: "it is a Power, or a fixed Scale, in Caffe",
        keras.layers.UnitNormalization: "it has no epsilon, as Caffe's have",
    }
)
