"""Small networks of every kind that labels images."""

from __future__ import annotations

import keras

from keras_fcn.core.card import Card
from keras_fcn.core.model import CaffeFunctional
from keras_fcn.layers import BN, ArgMax, CaffeMaxPooling2D, PixelwiseSoftmax, UpsampleLike
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.tiles import Tiles

CLASSES = 4
MARGIN = 3


def _model(inputs, x, name, *, end=PixelwiseSoftmax, tiles=None, **preparation):
    preparation = {"mean": (110.0, 110.0, 110.0), "input_scale": 1 / 64} | preparation
    card = Card(name, preprocessing=Preprocessing(**preparation), tiles=tiles)
    x = x if end is None else end(name="end")(x)
    return CaffeFunctional(inputs, x, name=name, card=card)


def coarse(*, stride=4, **options):
    """FCN-like: scores at a stride, without padding."""
    x = inputs = keras.Input((None, None, 3), name="data")
    x = keras.layers.Conv2D(8, 5, strides=stride, activation="relu", name="conv")(x)
    x = keras.layers.Conv2D(CLASSES, 1, name="score")(x)
    return _model(inputs, x, "coarse", **options)


def unpooling(*, bn_mode="inference", **options):
    """SegNet-like: a map as fine as the image, by the places of maxima."""
    x = inputs = keras.Input((None, None, 3), name="data")
    x = keras.layers.Conv2D(8, 3, padding="same", name="conv")(x)
    x = before = keras.layers.ReLU()(BN(mode=bn_mode, name="conv_bn")(x))
    x, mask = CaffeMaxPooling2D(2, strides=2, return_mask=True, name="pool")(x)
    x = UpsampleLike(name="up")([x, mask, before])
    x = keras.layers.Conv2D(8, 3, padding="same", name="conv_decode")(x)
    x = BN(mode=bn_mode, name="conv_decode_bn")(x)
    x = keras.layers.Conv2D(CLASSES, 1, name="score")(x)
    return _model(inputs, x, "unpooling", **options)


def labelling(**options):
    """One that gives labels: its last layer is an ArgMax."""
    return coarse(end=lambda name: ArgMax(axis=1, name=name), **options)


def adding(*, bn_mode="inference", **options):
    """ENet-like: takes multiples of 4."""
    x = inputs = keras.Input((None, None, 3), name="data")
    before = []
    for level in (1, 2):
        x = keras.layers.Conv2D(8, 3, padding="same", name=f"conv{level}")(x)
        x = keras.layers.ReLU()(BN(mode=bn_mode, name=f"conv{level}_bn")(x))
        before.append(x)
        x = keras.layers.MaxPooling2D(2, name=f"pool{level}")(x)
    for level in (2, 1):
        x = keras.layers.UpSampling2D(2, name=f"up{level}")(x)
        x = keras.layers.Add(name=f"add{level}")([x, before[level - 1]])
    x = keras.layers.Conv2D(CLASSES, 1, name="score")(x)
    return _model(inputs, x, "adding", **options)


def tiled(*, zoom=4, step=(16, 24), **options):
    """DilatedNet-like: reads a margin, and gives a position for every `zoom` pixels within."""
    x = inputs = keras.Input((None, None, 3), name="data")
    x = keras.layers.Conv2D(8, 2 * MARGIN + 1, strides=zoom, activation="relu", name="conv")(x)
    x = keras.layers.Conv2D(CLASSES, 1, name="score")(x)
    size = tuple(length + 2 * MARGIN for length in step)
    return _model(inputs, x, "tiled", tiles=Tiles(size=size, margin=MARGIN, zoom=zoom), **options)
