"""A small network for road scenes, from nothing in minutes on a CPU."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras_fcn

import keras
from keras import layers

# From one residual block to the next; after the last a cell sees all of a small image.
DILATIONS = (1, 2, 4, 8)


def through(x: Any, following: Iterable[layers.Layer]) -> Any:
    """A tensor after layers that follow each other."""
    for layer in following:
        x = layer(x)
    return x


def conv_bn(
    filters: int, size: int, name: str, pad: int = 0, stride: int = 1, dilation: int = 1
) -> list[layers.Layer]:
    """A convolution with Caffe's padding, `pad` zeros on each side, and batch normalization."""
    # 30 updates an epoch: a momentum of 0.99 would still remember random weights.
    norm = layers.BatchNormalization(momentum=0.95, name=f"{name}_bn")
    convolution = layers.Conv2D(
        filters, size, strides=stride, dilation_rate=dilation, use_bias=False, name=name
    )
    zeros = [layers.ZeroPadding2D(pad, name=f"{name}_pad")] if pad else []
    return [*zeros, convolution, norm]


def conv_bn_relu(filters: int, size: int, name: str, **options: Any) -> list[layers.Layer]:
    """The same and a ReLU."""
    return [*conv_bn(filters, size, name, **options), layers.ReLU(name=f"{name}_relu")]


def residual(x: Any, name: str, dilation: int = 1) -> Any:
    """Two 3 x 3 convolutions, added to what they read."""
    shape = {"pad": dilation, "dilation": dilation}
    branch = [
        *conv_bn_relu(x.shape[-1], 3, f"{name}_a", **shape),
        *conv_bn(x.shape[-1], 3, f"{name}_b", **shape),
    ]
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=name)([x, through(x, branch)]))


def road_net(classes: int = 11, size: tuple[int, int] = (240, 320), width: int = 24) -> keras.Model:
    """A residual encoder to stride 8 with dilated context, and scores at stride 4.

    Args:
        classes: what is scored.
        size: (height, width) images are brought to; multiples of 8.
        width: channels at stride 2; twice and four times as many at strides 4 and 8.

    Returns:
        A functional model, (N, height / 4, width / 4, classes) logits.
    """
    image = keras.Input((None, None, 3), name="data")
    x = through(image, conv_bn_relu(width, 3, "conv1", stride=2, pad=1))
    x = through(x, conv_bn_relu(2 * width, 3, "conv2", stride=2, pad=1))
    fine = residual(x, "res2")
    x = through(fine, conv_bn_relu(4 * width, 3, "conv3", stride=2, pad=1))
    for dilation in DILATIONS:
        x = residual(x, f"res3_{dilation}", dilation)
    x = layers.SpatialDropout2D(0.1, name="drop3")(x)
    x = through(x, conv_bn_relu(2 * width, 1, "narrow"))
    x = layers.UpSampling2D(2, name="upsample")(x)
    x = layers.Concatenate(name="concat")([x, fine])
    x = through(x, conv_bn_relu(2 * width, 3, "fuse", pad=1))
    scores = layers.Conv2D(classes, 1, name="score")(x)
    own = keras_fcn.Preprocessing(size=size, mean=(110.0, 115.0, 120.0), input_scale=1 / 64)
    return keras_fcn.with_card(keras.Model(image, scores, name="road_net"), preprocessing=own)
