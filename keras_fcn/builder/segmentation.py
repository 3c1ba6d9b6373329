"""Layers of the forks for segmentation: SegNet, ENet, DeepLab, PSPNet, ICNet."""

from __future__ import annotations

from typing import Any

import keras

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.layers.bn import PSPNetBN, SegNetBN
from keras_fcn.caffe.layers.interp import Interp
from keras_fcn.caffe.layers.spatial_dropout import SpatialDropout
from keras_fcn.caffe.layers.upsample import NearestUpsample, SegNetUpsample
from keras_fcn.caffe.net.network import Layer
from keras_fcn.layers import _stock
from keras_fcn.layers._axes import channels_last_axis


@builds(SegNetBN)
def segnet_bn(layer: Layer[SegNetBN], x: Any) -> Any:
    """Scale and shift, after normalizing by the batch in the mode `LEARN`."""
    params = layer.params
    tops = layers.BN(
        mode=params.bn_mode.lower(),
        statistics=len(layer.tops) - 1,
        scale_initializer="zeros",
        name=layer.keras_name,
    )(x)
    return tuple(tops) if isinstance(tops, list | tuple) else tops


@builds(PSPNetBN)
def pspnet_bn(layer: Layer[PSPNetBN], x: Any) -> Any:
    """Keras' BatchNormalization; a frozen one does not train."""
    params = layer.params
    return keras.layers.BatchNormalization(
        axis=channels_last_axis(params.axis, len(x.shape)),
        momentum=params.momentum,
        epsilon=params.eps,
        trainable=not params.frozen,
        name=layer.keras_name,
    )(x)


@builds(SegNetUpsample)
def segnet_upsample(layer: Layer[SegNetUpsample], x: Any, mask: Any) -> Any:
    """Elements go back to where a pooling mask says they came from."""
    params = layer.params
    return layers.Upsample(params.scale, params.pad_out, params.size, name=layer.keras_name)(
        [x, mask]
    )


@builds(NearestUpsample)
def nearest_upsample(layer: Layer[NearestUpsample], x: Any) -> Any:
    """Keras' UpSampling2D repeats pixels just so."""
    params = layer.params
    return _stock.UpSampling2D(params.scale, name=layer.keras_name)(x)


@builds(Interp)
def interp(layer: Layer[Interp], *tensors: Any) -> Any:
    """Bilinear resizing that keeps the corners."""
    params = layer.params
    resize = layers.Interp(
        *params.rule, pad_beg=params.pad_beg, pad_end=params.pad_end, name=layer.keras_name
    )
    return resize(list(tensors) if len(tensors) > 1 else tensors[0])


@builds(SpatialDropout)
def spatial_dropout(layer: Layer[SpatialDropout], x: Any) -> Any:
    """Drops channels while training; with the phase TEST it scales when tested, as ENet's."""
    params = layer.params
    return layers.SpatialDropout(
        params.p, scale_when_tested=params.phase != "TRAIN", name=layer.keras_name
    )(x)
