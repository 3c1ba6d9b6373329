"""The table of stock forms, but for windows; see `keras_fcn.exporting.stock.windows`."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import keras
from keras import ops

from keras_fcn import layers
from keras_fcn.exporting.stock.registry import Form, stock_form
from keras_fcn.layers._axes import channels_first_shape, channels_last_axis, channels_last_shape

_AXES = "bxyzuvwstr"


@stock_form(layers.PixelwiseSoftmax)
def softmax(layer: layers.PixelwiseSoftmax, x: Any) -> Form | None:
    """In float32 too; of one class Keras' own warns."""
    if layer.flatten or x.shape[-1] == 1:
        return None
    return Form([keras.layers.Softmax(name=layer.name, dtype="float32")])


@stock_form(layers.BatchNorm)
def batch_norm(layer: layers.BatchNorm, x: Any) -> Form | None:
    """The same with stored statistics; in training Keras keeps moving averages."""
    if layer.use_global_stats is False:
        return None
    return Form(
        [_normalization(layer, center=False, scale=False)],
        [layer.moving_mean, layer.moving_variance],
    )


@stock_form(layers.ScaledBatchNorm)
def scaled_batch_norm(layer: layers.ScaledBatchNorm, x: Any) -> Form | None:
    """`batch_norm` with a scale, perhaps a bias."""
    if layer.use_global_stats is False:
        return None
    learned = [layer.gamma, *([layer.beta] if layer.use_bias else [])]
    return Form(
        [_normalization(layer, center=layer.use_bias)],
        [*learned, layer.moving_mean, layer.moving_variance],
    )


def _normalization(layer: layers.BatchNorm, **settings: Any) -> Any:
    return keras.layers.BatchNormalization(
        momentum=layer.moving_average_fraction,
        epsilon=layer.eps,
        trainable=layer.trainable and not layer.use_global_stats,
        name=layer.name,
        **settings,
    )


@stock_form(layers.Scale)
def scale(layer: layers.Scale, x: Any) -> Form | None:
    """A number for each channel is a product along that axis, which EinsumDense has."""
    if isinstance(x, list | tuple) or len(layer.shape or ()) != 1 or layer.axis % len(x.shape) != 1:
        return None
    return _scale_of_channels(layer, x, layer.use_bias)


@stock_form(layers.BN)
def segnet_bn(layer: layers.BN, x: Any) -> Form | None:
    """Trained SegNets' statistics are worked into scale and shift."""
    return None if layer.mode == "learn" else _scale_of_channels(layer, x, True)


def _scale_of_channels(layer: Any, x: Any, bias: bool) -> Form:
    axes = f"{_AXES[: len(x.shape) - 1]}c"
    settings = {"bias_axes": "c"} if bias else {}
    return Form(
        [
            keras.layers.EinsumDense(
                f"{axes},c->{axes}",
                tuple(x.shape[1:]),
                kernel_initializer="ones",
                name=layer.name,
                **settings,
            )
        ]
    )


@stock_form(layers.PReLU)
def prelu(layer: layers.PReLU, x: Any) -> Form:
    """Keras' own has a slope for each position that is not shared."""
    spatial = list(range(1, len(x.shape) - 1))
    shared = spatial if not layer.channel_shared else [*spatial, len(x.shape) - 1]
    alike = not shared and len(x.shape) == 2
    kind = keras.layers.PReLU(shared_axes=shared or None, name=layer.name)
    return Form([kind], by_name=alike)


@stock_form(layers.Eltwise)
def eltwise(layer: layers.Eltwise, x: Any) -> Form | None:
    """The operation alone, and the difference of two."""
    plain = {
        "sum": keras.layers.Add,
        "prod": keras.layers.Multiply,
        "max": keras.layers.Maximum,
    }[layer.operation]
    if layer.coeff is not None and set(layer.coeff) != {1}:
        if layer.coeff != (1, -1):
            return None
        plain = keras.layers.Subtract
    if not x[0].shape:  # they take no scalars
        return None
    return Form([plain(name=layer.name)])


@stock_form(layers.Power)
def power(layer: layers.Power, x: Any) -> Form | None:
    """Scale and shift are Keras' Rescaling."""
    if layer.power != 1 or layer.scale == 0:
        return None
    return Form([keras.layers.Rescaling(layer.scale, layer.shift, name=layer.name)])


@stock_form(layers.AbsVal)
def absolute(layer: layers.AbsVal, x: Any) -> Form:
    """A function."""
    return Form([ops.absolute])


@stock_form(layers.Clip)
def clip(layer: layers.Clip, x: Any) -> Form:
    """A function."""
    return Form([partial(ops.clip, x_min=layer.min, x_max=layer.max)])


@stock_form(layers.Swish)
def swish(layer: layers.Swish, x: Any) -> Form | None:
    """Known as SiLU without a factor."""
    return Form([keras.layers.Activation("silu", name=layer.name)]) if layer.beta == 1 else None


@stock_form(layers.Slice)
def slices(layer: layers.Slice, x: Any) -> Form:
    """A function that gives several tensors."""
    axis = channels_last_axis(layer.axis % len(x.shape), len(x.shape))
    parts = layer.parts if isinstance(layer.parts, int) else list(layer.parts)
    if parts in (1, []):
        return Form([])
    return Form([partial(ops.split, indices_or_sections=parts, axis=axis)])


@stock_form(layers.CaffePermute)
def permute(layer: layers.CaffePermute, x: Any) -> Form | None:
    """Keras' own leaves the batch where it is."""
    order = layer._permuted(range(len(layer.order)))
    return Form([keras.layers.Permute(order[1:], name=layer.name)]) if order[0] == 0 else None


@stock_form(layers.CaffeReshape)
def reshape(layer: layers.CaffeReshape, x: Any) -> Form | None:
    """To Caffe's order and back, where the images stay and their sizes are known."""
    before: tuple[Any, ...] = x.shape
    after: tuple[Any, ...] = layer.compute_output_shape(before)
    rank = len(before)
    known = None not in (*before[1:], *after[1:])
    if not known or rank < 2 or len(after) < 2 or math.prod(before[1:]) != math.prod(after[1:]):
        return None
    steps = []
    if rank > 2:
        order = channels_first_shape(range(rank))[1:]
        steps.append(keras.layers.Permute(order, name=f"{layer.name}_chw"))
    sizes = channels_first_shape(after)[1:]
    name = layer.name if len(after) == 2 else f"{layer.name}_sizes"
    steps.append(keras.layers.Reshape(sizes, name=name))
    if len(after) > 2:
        steps.append(
            keras.layers.Permute(channels_last_shape(range(len(after)))[1:], name=layer.name)
        )
    return Form(steps)
