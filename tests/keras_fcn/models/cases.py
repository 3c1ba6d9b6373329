"""Each constructor beside the network that it stands for."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import convert
from keras_fcn.caffe.net.network import Network
from tests.keras_fcn.models import classifiers, encoder_decoders, residual, segmentation


class Case(NamedTuple):
    """A constructor of ``keras_fcn``.

    Attributes:
        definition: writes the network's prototxt for images of a size.
        published: the size of the published one.
        small: a size that is quick to compute.
        trained: how many numbers are trained.
        options: the constructor's arguments.
        constructor: its name, where it is not the case's.
    """

    definition: Callable[..., str]
    published: tuple[int, ...]
    small: tuple[int, ...]
    trained: int
    options: Mapping[str, Any] = MappingProxyType({})
    constructor: str = ""

    def network(self, size: tuple[int, ...], folder: Path) -> Network:
        path = folder / "net.prototxt"
        path.write_text(self.definition(*size))
        return convert.load_network(path)


def _letters(count: int) -> list[str]:
    return list("abcdef"[:count])


def _numbered(count: int) -> list[str]:
    return ["a", *(f"b{index}" for index in range(1, count))]


def _nin(side: int) -> str:
    return classifiers.nin(side, {224: 6, 99: 2}[side])


def _resnet(*stages: list[str]) -> Callable[..., str]:
    return lambda side: residual.resnet(side, *stages)


def _vgg(*depths: int) -> Callable[..., str]:
    return lambda side: classifiers.vgg(side, *depths)


def _fcn(variant: str) -> Callable[..., str]:
    return functools.partial(segmentation.fcn, variant=variant)


def _dilated(final: str, classes: int, *dilations: int) -> Callable[..., str]:
    return functools.partial(
        segmentation.dilated, final=final, classes=classes, dilations=dilations
    )


def _squeezenet(*arguments: Any) -> Callable[..., str]:
    return lambda side: classifiers.squeezenet(side, *arguments)


# VGG-16's 14,714,688 in the convolutions, with fc6 and fc7.
_VGG16_FC7 = 134_260_544
_SCORE = 21 * 4097


def _convs(*channels: int, size: int = 3, each: int = 3) -> int:
    """Convolutions between these numbers of channels; ``each``: of bias and SegNet's BN."""
    pairs = itertools.pairwise(channels)
    return sum((size**2 * before + each) * after for before, after in pairs)


# Of Pascal VOC's context module, over the number of classes.
_WIDTHS = (1, 2, 2, 4, 8, 16, 32, 32)


_SEGNET = (
    _convs(3, 64, 64, 128, 128, 256, 256, 256, *(512,) * 6)
    + _convs(*(512,) * 6, 256, 256, 256, 128, 128, 64, 64)
    + 11 * (9 * 64 + 1)
)
_SEGNET_BASIC = _convs(3, *(64,) * 8, size=7) + 11 * 65

CASES = {
    "AlexNet": Case(classifiers.alexnet, (227,), (67,), 60_965_224),
    "CaffeNet": Case(
        functools.partial(classifiers.alexnet, pool_first=True), (227,), (67,), 60_965_224
    ),
    "VGG16": Case(_vgg(2, 2, 3, 3, 3), (224,), (32,), 138_357_544),
    "VGG19": Case(_vgg(2, 2, 4, 4, 4), (224,), (32,), 143_667_240),
    "GoogLeNet": Case(classifiers.googlenet, (224,), (64,), 6_998_552),
    # With the bias of conv1, which the other two lack.
    "ResNet50": Case(
        _resnet(_letters(3), _letters(4), _letters(6), _letters(3)), (224,), (64,), 25_557_096
    ),
    "ResNet101": Case(
        _resnet(_letters(3), _numbered(4), _numbered(23), _letters(3)), (224,), (64,), 44_549_160
    ),
    "ResNet152": Case(
        _resnet(_letters(3), _numbered(8), _numbered(36), _letters(3)), (224,), (64,), 60_192_808
    ),
    "SqueezeNet": Case(_squeezenet(96, 7, (4, 8), 1), (227,), (64,), 1_248_424),
    "SqueezeNet11": Case(_squeezenet(64, 3, (3, 5), 0), (227,), (64,), 1_235_496),
    "NIN": Case(_nin, (224,), (99,), 7_595_176),
    "MobileNet": Case(residual.mobilenet, (224,), (64,), 4_231_976),
    # The paper's 3,504,872, and a 1 x 1 convolution that it leaves out of the first block.
    "MobileNetV2": Case(residual.mobilenet_v2, (224,), (64,), 3_504_872 + 32 * 32 + 2 * 32),
    "FCN32s": Case(_fcn("32s"), (500, 500), (40, 50), _VGG16_FC7 + _SCORE),
    "FCN16s": Case(_fcn("16s"), (500, 500), (40, 50), _VGG16_FC7 + _SCORE + 21 * 513),
    "FCN8s": Case(_fcn("8s"), (500, 500), (40, 50), _VGG16_FC7 + _SCORE + 21 * (513 + 257)),
    "FCN8sAtOnce": Case(
        _fcn("8s-atonce"), (500, 500), (40, 50), _VGG16_FC7 + _SCORE + 21 * (513 + 257)
    ),
    "FCNAlexNet": Case(
        segmentation.fcn_alexnet, (500, 500), (40, 50), 60_965_224 - 1000 * 4097 + _SCORE
    ),
    "DilatedNetFrontEnd": Case(
        _dilated("fc-final", 21), (900, 900), (388, 380), _VGG16_FC7 + _SCORE
    ),
    "DilatedNetPascalVOC": Case(
        _dilated("fc-final", 21, 2, 4, 8, 16),
        (900, 900),
        (388, 380),
        _VGG16_FC7 + _SCORE + _convs(*(21 * w for w in _WIDTHS), each=1) + 21 * (32 * 21 + 1),
    ),
    "DilatedNetCamVid": Case(
        _dilated("final", 11, 2, 4, 8, 16),
        (900, 1100),
        (388, 380),
        _VGG16_FC7 + 11 * 4097 + 7 * 11 * (9 * 11 + 1) + 11 * 12,
    ),
    "DilatedNetCityscapes": Case(
        _dilated("final", 19, 2, 4, 8, 16, 32, 64),
        (1396, 1396),
        (388, 380),
        _VGG16_FC7 + 19 * 4097 + 9 * 19 * (9 * 19 + 1) + 19 * 20,
    ),
    "DilatedNetKITTI": Case(
        _dilated("final", 11, 2, 4, 8),
        (852, 1640),
        (388, 380),
        _VGG16_FC7 + 11 * 4097 + 6 * 11 * (9 * 11 + 1) + 11 * 12,
    ),
    "SegNet": Case(encoder_decoders.segnet, (360, 480), (45, 60), _SEGNET),
    "BayesianSegNet": Case(
        functools.partial(encoder_decoders.segnet, bayesian=True), (360, 480), (45, 60), _SEGNET
    ),
    "SegNetBasic": Case(encoder_decoders.segnet_basic, (360, 480), (45, 60), _SEGNET_BASIC),
    "BayesianSegNetBasic": Case(
        functools.partial(encoder_decoders.segnet_basic, bayesian=True),
        (360, 480),
        (45, 60),
        _SEGNET_BASIC,
    ),
    "ENet": Case(encoder_decoders.enet, (512, 1024), (64, 80), 372_551),
    "ENet, merged": Case(
        functools.partial(encoder_decoders.enet, merged=True),
        (512, 1024),
        (64, 80),
        # Two numbers a channel of each BN less, a bias more where there was none.
        372_551 - 4_864,
        {"merged": True},
        "ENet",
    ),
}

# Networks that hold VGG.
HEAVY = [name for name in CASES if name.startswith(("VGG", "FCN8", "FCN16", "FCN32", "Dilated"))]
