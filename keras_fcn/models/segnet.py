"""SegNet and Bayesian SegNet.

Badrinarayanan, Kendall and Cipolla, "SegNet: A Deep Convolutional Encoder-Decoder
Architecture for Image Segmentation", 2017; Kendall, Badrinarayanan and Cipolla, "Bayesian
SegNet", 2015; `alexgkendall/SegNet-Tutorial`.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from keras.layers import Input, Layer

from keras_fcn.core.model import CaffeFunctional
from keras_fcn.layers import BN, CaffeMaxPooling2D, SampledDropout, UpsampleLike
from keras_fcn.models.blocks import conv, relu, through
from keras_fcn.models.construction import finish
from keras_fcn.models.tops import in_place, writes
from keras_fcn.models.vgg import CHANNELS, VGG16_DEPTHS
from keras_fcn.preprocessing import Preprocessing

#: SegNet takes images as they are, BGR 0..255.
PREPROCESSING = Preprocessing(mean=None)

#: Registry's name of weights with the classes that all SegNets have by default: CamVid's.
PUBLISHED = "bayesian_segnet_camvid"

#: Levels after whose pooling, and before whose next upsampling, Bayesian SegNet drops.
_DROPPED = (3, 4, 5)


def conv_bn(filters: int, kernel_size: int, name: str, bn_mode: str) -> list[Layer]:
    """A padded convolution and SegNet's BN."""
    batch_normalization = in_place(BN(mode=bn_mode, name=f"{name}_bn"))
    return [*conv(filters, kernel_size, name, pad=kernel_size // 2), batch_normalization]


def pool(level: int) -> Layer:
    """Pooling that keeps where each maximum was."""
    return CaffeMaxPooling2D(2, strides=2, return_mask=True, name=f"pool{level}")


def _encoder(x: Any, bn_mode: str, dropped: Collection[int]) -> tuple[Any, dict[int, Any]]:
    """VGG-16's convolutions; also each level's mask, and the map that it is of."""
    pooled = {}
    for level, (depth, channels) in enumerate(zip(VGG16_DEPTHS, CHANNELS, strict=True), 1):
        for index in range(1, depth + 1):
            place = f"{level}_{index}"
            layers = conv_bn(channels, 3, f"conv{place}", bn_mode)
            x = through(x, [*layers, relu(f"relu{place}")])
        maxima, mask = pool(level)(x)
        pooled[level] = (mask, x)
        x = SampledDropout(0.5, name=f"encdrop{level}")(maxima) if level in dropped else maxima
    return x, pooled


def _decoder(x: Any, pooled: dict[int, Any], bn_mode: str, dropped: Collection[int]) -> Any:
    """The encoder's convolutions in reverse, but the one that scores the classes."""
    for level, depth in reversed([*enumerate(VGG16_DEPTHS, 1)]):
        upsample = writes(UpsampleLike(name=f"upsample{level}"), f"pool{level}_D")
        x = upsample([x, *pooled[level]])
        for index in range(depth, 0, -1):
            if (level, index) == (1, 1):
                continue
            # The last of a level has the channels of the level below.
            channels = CHANNELS[level - 1] if index > 1 else CHANNELS[level - 2]
            place = f"{level}_{index}_D"
            layers = conv_bn(channels, 3, f"conv{place}", bn_mode)
            x = through(x, [*layers, relu(f"relu{place}")])
        if level in dropped:
            x = SampledDropout(0.5, name=f"decdrop{level}")(x)
    return x


def SegNet(  # noqa: N802
    *,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    classes: int = 11,
    classifier_activation: str | None = "softmax",
    bn_mode: str = "inference",
    name: str = "segnet",
) -> CaffeFunctional:
    """SegNet: VGG-16 and back, by the places of its poolings' maxima.

    Args:
        weights: a `.h5` of the converter, a `.caffemodel`, or the name of a published
            model (`keras-fcn models`); None for random weights.
        input_shape: (height, width, channels); None where any size will do.
        classes: channels of conv1_1_D. Where the file has another number, conv1_1_D keeps
            its random weights.
        classifier_activation: `"softmax"`, another activation, or None for logits.
        bn_mode: `"inference"`, for published weights, or `"learn"` for training, see
            `keras_fcn.layers.BN`. `keras_fcn.fine_tune` trains both by the batch.
        name: the model's name.

    Returns:
        A functional model; output (batch, height, width, classes).

    Raises:
        CaffeError: the weights do not fit.
    """
    return _segnet((), weights, input_shape, classes, classifier_activation, bn_mode, name)


def BayesianSegNet(  # noqa: N802
    *,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    classes: int = 11,
    classifier_activation: str | None = "softmax",
    bn_mode: str = "inference",
    name: str = "bayesian_segnet",
) -> CaffeFunctional:
    """SegNet with dropout that stays active: each pass gives another sample.

    `keras_fcn.monte_carlo` gives mean and variance of many. Arguments as for
    `SegNet`.
    """
    return _segnet(_DROPPED, weights, input_shape, classes, classifier_activation, bn_mode, name)


def _segnet(
    dropped: Collection[int],
    weights: str | Path | None,
    input_shape: tuple[int | None, int | None, int],
    classes: int,
    classifier_activation: str | None,
    bn_mode: str,
    name: str,
) -> CaffeFunctional:
    inputs = Input(input_shape, name="data")
    x, pooled = _encoder(inputs, bn_mode, dropped)
    x = _decoder(x, pooled, bn_mode, dropped)
    x = through(x, conv(classes, 3, "conv1_1_D", pad=1))
    model = CaffeFunctional(inputs, x, name=name)
    head = "conv1_1_D"
    return finish(model, weights, head, classifier_activation, PREPROCESSING, PUBLISHED)
