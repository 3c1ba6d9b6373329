"""VGG-16 and VGG-19.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", 2015; the authors' `VGG_ILSVRC_16_layers` and `VGG_ILSVRC_19_layers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras
from keras.layers import Input, Layer

from keras_fcn.core.model import CaffeSequential
from keras_fcn.models.blocks import classifier, conv_relu, max_pool
from keras_fcn.models.construction import finish
from keras_fcn.preprocessing import Preprocessing

#: Channels of the five blocks.
CHANNELS = (64, 128, 256, 512, 512)
#: Convolutions of the five blocks.
VGG16_DEPTHS = (2, 2, 3, 3, 3)
VGG19_DEPTHS = (2, 2, 4, 4, 4)

_PREPROCESSING = Preprocessing(size=(256, 256), crop=(224, 224), mean=(103.939, 116.779, 123.68))


def block(
    number: int, depth: int, *, pad: int = 1, dilation: int = 1, first_pad: int | None = None
) -> list[Layer]:
    """The 3 x 3 convolutions of one block: conv1_1, relu1_1, conv1_2, ...

    Args:
        number: which block, from 1 on.
        depth: how many convolutions.
        pad: zeros around each convolution's input.
        dilation: positions from one tap of the kernels to the next.
        first_pad: `pad` of the first convolution, where it differs.
    """
    pads = [pad if first_pad is None else first_pad, *(pad,) * (depth - 1)]
    layers = []
    for index, each in enumerate(pads, 1):
        place = f"{number}_{index}"
        layers += conv_relu(
            CHANNELS[number - 1], 3, f"conv{place}", f"relu{place}", pad=each, dilation=dilation
        )
    return layers


def VGG16(  # noqa: N802
    *,
    include_top: bool = True,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    name: str = "vgg16",
) -> keras.Sequential:
    """VGG-16, the classifier.

    Args:
        include_top: whether fc6, fc7, fc8 follow pool5.
        weights: a `.h5` of the converter, a `.caffemodel`, or the name of a published
            model (`keras-fcn models`); None for random weights.
        input_shape: (height, width, channels).
        classes: outputs of fc8. Where the file has another number, fc8 keeps its
            random weights.
        classifier_activation: `"softmax"`, another activation, or None for logits.
        name: the model's name.

    Raises:
        CaffeError: the weights do not fit.
    """
    return _vgg(
        VGG16_DEPTHS, include_top, weights, input_shape, classes, classifier_activation, name
    )


def VGG19(  # noqa: N802
    *,
    include_top: bool = True,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    name: str = "vgg19",
) -> keras.Sequential:
    """VGG-19, the classifier; arguments as for `VGG16`."""
    return _vgg(
        VGG19_DEPTHS, include_top, weights, input_shape, classes, classifier_activation, name
    )


def _vgg(
    depths: Sequence[int],
    include_top: bool,
    weights: str | Path | None,
    input_shape: tuple[int | None, int | None, int],
    classes: int,
    classifier_activation: str | None,
    name: str,
) -> keras.Sequential:
    layers = [Input(input_shape, name="data")]
    for number, depth in enumerate(depths, 1):
        layers += [*block(number, depth), max_pool(2, 2, f"pool{number}")]
    if include_top:
        layers += classifier(classes)
    model = CaffeSequential(layers, name=name)
    head = "fc8" if include_top else None
    return finish(model, weights, head, classifier_activation, _PREPROCESSING)
