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


def unpooling(*, levels=1, width=8, kernel=3, bn_mode="inference", **options):
    """SegNet-like: a map as fine as the image, by the places of maxima."""
    x = inputs = keras.Input((None, None, 3), name="data")
    pooled = []
    for level in range(levels):
        x = _normalized(x, width, kernel, f"conv{level or ''}", bn_mode)
        x = before = keras.layers.ReLU(name=f"relu{level or ''}")(x)
        pooling = CaffeMaxPooling2D(2, strides=2, return_mask=True, name=f"pool{level or ''}")
        x, mask = pooling(x)
        pooled.append((mask, before))
    for level in reversed(range(levels)):
        x = UpsampleLike(name=f"up{level or ''}")([x, *pooled[level]])
        x = _normalized(x, width, kernel, f"conv_decode{level or ''}", bn_mode)
    x = keras.layers.Conv2D(CLASSES, 1, name="score")(x)
    return _model(inputs, x, "unpooling", **options)


def _normalized(x, width, kernel, name, bn_mode):
    x = keras.layers.Conv2D(width, kernel, padding="same", name=name)(x)
    return BN(mode=bn_mode, name=f"{name}_bn")(x)


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
