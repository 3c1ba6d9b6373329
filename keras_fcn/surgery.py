"""Net surgery on Keras models: a classifier becomes a fully convolutional network."""

from __future__ import annotations

from typing import Any

import keras

from keras_fcn.heads import chain, same_kind
from keras_fcn.layers import GroupedConv2D, PixelwiseSoftmax

_CAST = "-conv"
# Layers that treat all positions alike, and work on a map as they do on a vector.
_KEPT_AFTER_FLATTEN = (
    keras.layers.Activation,
    keras.layers.BatchNormalization,
    keras.layers.Dropout,
    keras.layers.ELU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ReLU,
    keras.layers.Softmax,
    PixelwiseSoftmax,
)

_KEPT_OF_DENSE = (
    "activation",
    "use_bias",
    "trainable",
    "dtype",
    "kernel_initializer",
    "bias_initializer",
    "kernel_regularizer",
    "bias_regularizer",
    "kernel_constraint",
    "bias_constraint",
)


def to_fully_convolutional(model: keras.Model) -> keras.Model:
    """Cast a classifier to a network that takes any image and gives a map of classes.

    The first Dense after Flatten becomes a convolution as large as the map that was
    flattened; each further Dense becomes a 1 x 1 convolution. Weights are carried
    over, under ``<name>-conv``; all other layers keep their names and weights.

    Args:
        model: one chain of layers with a Flatten, such as ``CaffeNet()``.

    Returns:
        A new sequential model with its own variables; input (None, None, channels),
        output (batch, rows, columns, classes).

    Raises:
        ValueError: the model branches, has no Flatten, or has a layer after it that
            cannot run on a map.
    """
    source = chain(model)
    flattened = next((i for i, x in enumerate(source) if isinstance(x, keras.layers.Flatten)), None)
    if flattened is None:
        raise ValueError(
            "the model needs a Flatten layer before its Dense layers. "
            f"Received: {model.name!r} with layers {[layer.name for layer in source]}"
        )
    channels = model.input_shape[-1]
    layers: list[Any] = [keras.Input((None, None, channels), name=source[0].name)]
    layers += [_copy(layer) for layer in source[1:flattened]]
    kernel = tuple(source[flattened].input.shape[1:3])
    pairs = list(zip(source[1:flattened], layers[1:], strict=True))
    for layer in source[flattened + 1 :]:
        if isinstance(layer, keras.layers.Dense):
            cast: Any = _convolution(layer, kernel)
            kernel = (1, 1)
        elif isinstance(layer, _KEPT_AFTER_FLATTEN):
            cast = _copy(layer)
        else:
            raise ValueError(  # noqa: TRY004  the model is wrong, not an argument's type
                f"a {type(layer).__name__} after Flatten cannot run on a map. "
                f"Received: layer {layer.name!r} of {model.name!r}"
            )
        layers.append(cast)
        pairs.append((layer, cast))
    result = same_kind(model, layers, f"{model.name}_fcn")
    for old, new in pairs:
        for before, after in zip(old.weights, new.weights, strict=True):
            after.assign(keras.ops.reshape(before, after.shape))
    return result


def _convolution(layer: keras.layers.Dense, kernel: tuple[int, int]) -> keras.layers.Conv2D:
    config = layer.get_config()
    settings = {key: config[key] for key in _KEPT_OF_DENSE}
    name = layer.name + _CAST
    return GroupedConv2D.from_config(
        {**settings, "filters": layer.units, "kernel_size": kernel, "name": name}
    )


def _copy(layer: keras.layers.Layer) -> keras.layers.Layer:
    return type(layer).from_config(layer.get_config())
