"""Layers that work on each element or pixel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from keras_fcn import layers
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import LayerParams, activation, elementwise
from keras_fcn.caffe.layers.mobile import ReLU6
from keras_fcn.caffe.layers.shape import Split
from keras_fcn.caffe.layers.spatial_dropout import SpatialDropout
from keras_fcn.unbuilder.inputs import caffe_axis, input_shapes, rank
from keras_fcn.unbuilder.registry import is_no_layer, unbuilds, unbuilds_alike

unbuilds_alike(
    {
        keras.layers.ELU: elementwise.ELU,
        keras.layers.LeakyReLU: activation.ReLU,
        layers.AbsVal: elementwise.AbsVal,
        layers.Clip: elementwise.Clip,
        layers.Exp: elementwise.Exp,
        layers.Insanity: activation.Insanity,
        layers.Log: elementwise.Log,
        layers.Power: elementwise.Power,
        layers.PReLU: activation.PReLU,
        layers.ReLU: activation.ReLU,
        layers.SELU: elementwise.SELU,
        layers.Swish: elementwise.Swish,
        layers.Threshold: elementwise.Threshold,
    }
)

# Functions of Keras that are one layer in Caffe.
_FUNCTIONS: dict[str, Callable[[], LayerParams]] = {
    "elu": elementwise.ELU,
    "exponential": elementwise.Exp,
    "leaky_relu": lambda: activation.ReLU(negative_slope=0.2),
    "linear": Split,
    "relu": activation.ReLU,
    "relu6": ReLU6,
    "selu": elementwise.SELU,
    "sigmoid": elementwise.Sigmoid,
    "silu": elementwise.Swish,
    "softplus": elementwise.BNLL,
    "tanh": elementwise.TanH,
}


@unbuilds(keras.layers.Activation)
def function(layer: Any) -> LayerParams | None:
    """By the function's name, which must be Keras' own."""
    name = getattr(layer.activation, "__name__", "")
    if layer.activation is not getattr(keras.activations, name, None):
        return None
    if name == "softmax":
        return activation.Softmax(axis=caffe_axis(layer, -1))
    return _FUNCTIONS[name]() if name in _FUNCTIONS else None


@unbuilds(keras.layers.ReLU)
def relu(layer: Any) -> LayerParams | None:
    """With a greatest value it is ReLU6; a threshold needs several layers."""
    if layer.threshold or layer.max_value == 0:
        return None
    if layer.max_value is None:
        return activation.ReLU(negative_slope=layer.negative_slope)
    return ReLU6(n=layer.max_value, negative_slope=layer.negative_slope)


@unbuilds(keras.layers.PReLU)
def prelu(layer: Any) -> LayerParams:
    """One slope for all, or one a channel."""
    sizes = input_shapes(layer)[0][2:]
    shared = layer.shared_axes or ()
    if any(size != 1 and axis not in shared for axis, size in enumerate(sizes, 1)):
        raise UnsupportedLayerError(
            f"shared_axes: {layer.shared_axes} has no equivalent; share height and width"
        )
    return activation.PReLU(channel_shared=len(sizes) + 1 in shared)


@unbuilds(keras.layers.Softmax)
def softmax(layer: Any) -> LayerParams:
    """Along one axis."""
    axes = keras.tree.flatten(layer.axis)
    if len(axes) > 1:
        raise UnsupportedLayerError(f"axis: {layer.axis}: Caffe's Softmax has one axis")
    return activation.Softmax(axis=caffe_axis(layer, axes[0]))


@unbuilds(layers.PixelwiseSoftmax)
def pixelwise_softmax(layer: Any) -> LayerParams | None:
    """Along the channels; the list of all positions is a further layer."""
    if layer.flatten:
        return None
    return activation.Softmax(axis=min(1, rank(layer) - 1))


@unbuilds(keras.layers.Dropout)
def dropout(layer: Any) -> LayerParams:
    """Caffe drops single elements."""
    if layer.noise_shape is not None:
        raise UnsupportedLayerError(
            f"noise_shape: {layer.noise_shape}: Caffe's Dropout drops single elements"
        )
    if not 0 < layer.rate < 1:
        return Split()
    return activation.Dropout(
        dropout_ratio=layer.rate, sample_weights_test=isinstance(layer, layers.SampledDropout)
    )


@unbuilds(
    keras.layers.SpatialDropout1D, keras.layers.SpatialDropout2D, keras.layers.SpatialDropout3D
)
def spatial_dropout(layer: Any) -> LayerParams:
    """ENet's, which drops whole channels; its phase TEST scales instead."""
    if not 0 < layer.rate < 1:
        return Split()
    phase = "TEST" if getattr(layer, "scale_when_tested", False) else "TRAIN"
    return SpatialDropout(p=layer.rate, phase=phase)


@unbuilds(keras.layers.Identity, keras.layers.ActivityRegularization)
def identity(layer: Any) -> LayerParams:
    """Nothing but another name."""
    return Split()


# Random in training only. A random crop is not among them: it crops in inference too.
IDENTITIES = (
    *("AlphaDropout", "AugMix", "CutMix", "GaussianDropout", "GaussianNoise", "MixUp"),
    *("RandAugment", "RandomBrightness", "RandomColorDegeneration", "RandomColorJitter"),
    *("RandomContrast", "RandomElasticTransform", "RandomErasing", "RandomFlip"),
    *("RandomGaussianBlur", "RandomGrayscale", "RandomHue", "RandomInvert", "RandomPerspective"),
    *("RandomPosterization", "RandomRotation", "RandomSaturation", "RandomSharpness"),
    *("RandomShear", "RandomTranslation", "RandomZoom"),
)
"""Keras layers that do nothing in inference, and what Caffe lacks in training."""

is_no_layer(
    {
        getattr(keras.layers, name): "Caffe lacks what it does in training; in inference it is none"
        for name in IDENTITIES
        if hasattr(keras.layers, name)
    }
)
