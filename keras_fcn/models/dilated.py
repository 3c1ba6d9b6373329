"""DilatedNet: its front end, and the networks with a context module for four data sets.

Yu and Koltun, "Multi-Scale Context Aggregation by Dilated Convolutions", 2016; the
networks of `fyu/dilation`. None pads the image: they read a margin of 186 pixels on
each side, and give a position for every 8 pixels within. `keras_fcn.segment`, `evaluate` and
`fine_tune` add the margin; who calls the model does it himself.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import keras
from keras.layers import Input, Layer

from keras_fcn.core.model import CaffeSequential
from keras_fcn.layers import Deconvolution
from keras_fcn.layers.initializers import Bilinear
from keras_fcn.models.blocks import cast, cast_classifier, max_pool
from keras_fcn.models.construction import finish
from keras_fcn.models.dilated_context import Context, basic_context, large_context
from keras_fcn.models.vgg import VGG16_DEPTHS, block
from keras_fcn.preprocessing import Preprocessing


class _Variant(NamedTuple):
    """One network.

    Attributes:
        mean: the mean pixel of its data set, BGR.
        final: name of the layer that scores fc7.
        context: its context module; None for the front end.
        upsampled: whether it ends in an upsampling to the image's size.
        published: the registry's name of weights with its classes and tiles.
    """

    mean: tuple[float, float, float]
    final: str
    context: Context | None = None
    upsampled: bool = False
    published: str | None = None


_VOC_MEAN = (102.93, 111.36, 116.52)
_CAMVID_MEAN = (110.70313206, 108.77808759, 105.41212523)
_CITYSCAPES_MEAN = (72.39, 82.91, 73.16)
_KITTI_MEAN = (96.19429688, 95.55136972, 91.34692262)

#: Its own weights are not published; classes and tiles are those of the whole network.
_FRONT_END = _Variant(_VOC_MEAN, "fc-final", published="dilation8_pascal_voc")
_PASCAL_VOC = _Variant(_VOC_MEAN, "fc-final", large_context(), published="dilation8_pascal_voc")
_CAMVID = _Variant(_CAMVID_MEAN, "final", basic_context(levels=5), published="dilation8_camvid")
_CITYSCAPES = _Variant(
    _CITYSCAPES_MEAN, "final", basic_context(levels=7), True, "dilation10_cityscapes"
)
_KITTI = _Variant(_KITTI_MEAN, "final", basic_context(levels=4), published="dilation7_kitti")


def _front_end() -> list[Layer]:
    """VGG-16 to fc7 without its last two poolings, dilated instead, and nothing padded."""
    layers = []
    for number, depth in enumerate(VGG16_DEPTHS, 1):
        layers += block(number, depth, pad=0, dilation=2 if number == 5 else 1)
        if number < 4:
            layers.append(max_pool(2, 2, f"pool{number}"))
    return [*layers, *cast_classifier(7, dilation=4)]


def _upsampling(classes: int) -> Layer:
    return Deconvolution(
        classes,
        16,
        strides=8,
        padding=4,
        groups=classes,
        use_bias=False,
        kernel_initializer=Bilinear(),
        trainable=False,
        name="ctx_upsample",
    )


def DilatedNetFrontEnd(  # noqa: N802
    *,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    classes: int = 21,
    classifier_activation: str | None = "softmax",
    name: str = "dilated_front_end",
) -> keras.Sequential:
    """DilatedNet's front end: a dense VGG-16, its scores without a context module.

    Args:
        weights: a `.h5` of the converter, a `.caffemodel`, or the name of a published
            model (`keras-fcn models`); None for random weights.
        input_shape: (height, width, channels); None where any size will do.
        classes: classes of a pixel. Where the file has another number, all layers that
            depend on it keep their random weights.
        classifier_activation: `"softmax"`, another activation, or None for logits.
        name: the model's name.

    Returns:
        A sequential model; output (batch, rows, columns, classes), a position for every
        8 pixels of an image less a margin of 186 pixels.

    Raises:
        CaffeError: the weights do not fit.
    """
    return _dilated(_FRONT_END, weights, input_shape, classes, classifier_activation, name)


def DilatedNetPascalVOC(  # noqa: N802
    *,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    classes: int = 21,
    classifier_activation: str | None = "softmax",
    name: str = "dilation8_pascal_voc",
) -> keras.Sequential:
    """DilatedNet for Pascal VOC; arguments as for `DilatedNetFrontEnd`."""
    return _dilated(_PASCAL_VOC, weights, input_shape, classes, classifier_activation, name)


def DilatedNetCamVid(  # noqa: N802
    *,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    classes: int = 11,
    classifier_activation: str | None = "softmax",
    name: str = "dilation8_camvid",
) -> keras.Sequential:
    """DilatedNet for CamVid; arguments as for `DilatedNetFrontEnd`."""
    return _dilated(_CAMVID, weights, input_shape, classes, classifier_activation, name)


def DilatedNetCityscapes(  # noqa: N802
    *,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    classes: int = 19,
    classifier_activation: str | None = "softmax",
    name: str = "dilation10_cityscapes",
) -> keras.Sequential:
    """DilatedNet for Cityscapes, with two more levels of context and an upsampling.

    Arguments as for `DilatedNetFrontEnd`; the output has a position for every pixel.
    """
    return _dilated(_CITYSCAPES, weights, input_shape, classes, classifier_activation, name)


def DilatedNetKITTI(  # noqa: N802
    *,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    classes: int = 11,
    classifier_activation: str | None = "softmax",
    name: str = "dilation7_kitti",
) -> keras.Sequential:
    """DilatedNet for KITTI, with less context; arguments as for `DilatedNetFrontEnd`."""
    return _dilated(_KITTI, weights, input_shape, classes, classifier_activation, name)


def _dilated(
    variant: _Variant,
    weights: str | Path | None,
    input_shape: tuple[int | None, int | None, int],
    classes: int,
    classifier_activation: str | None,
    name: str,
) -> keras.Sequential:
    head: list[Layer] = [cast(classes, 1, variant.final)]
    if variant.context:
        head += variant.context.layers(classes)
    if variant.upsampled:
        head.append(_upsampling(classes))
    model = CaffeSequential([Input(input_shape, name="data"), *_front_end(), *head], name=name)
    heads = [layer.name for layer in head if layer.weights]
    preprocessing = Preprocessing(mean=variant.mean)
    return finish(model, weights, heads, classifier_activation, preprocessing, variant.published)
