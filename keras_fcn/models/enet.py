"""ENet.

Paszke, Chaurasia, Kim and Culurciello, "ENet: A Deep Neural Network Architecture for
Real-Time Semantic Segmentation", 2016; layers and names as in `TimoSaemann/ENet`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from keras.layers import Add, Concatenate, Input, Layer

from keras_fcn.core.model import CaffeFunctional
from keras_fcn.layers import BN, CaffeMaxPooling2D, Deconvolution, PReLU, SpatialDropout, Upsample
from keras_fcn.models.blocks import Size, conv, max_pool, relu, through
from keras_fcn.models.construction import finish
from keras_fcn.models.tops import writes
from keras_fcn.preprocessing import Preprocessing

_PREPROCESSING = Preprocessing(mean=None)


class _Bottleneck(NamedTuple):
    """One bottleneck.

    Attributes:
        filters: channels that it gives; a quarter of them within.
        kind: `"regular"`, `"dilated"`, `"asymmetric"`, `"down"` or `"up"`.
        dilation: of a dilated one.
    """

    filters: int
    kind: str = "regular"
    dilation: int = 1


#: What stages 2, but for its first bottleneck, and 3 consist of.
_CONTEXT = (
    _Bottleneck(128),
    _Bottleneck(128, "dilated", 2),
    _Bottleneck(128, "asymmetric"),
    _Bottleneck(128, "dilated", 4),
    _Bottleneck(128),
    _Bottleneck(128, "dilated", 8),
    _Bottleneck(128, "asymmetric"),
    _Bottleneck(128, "dilated", 16),
)
_STAGES: dict[int, tuple[_Bottleneck, ...]] = {
    1: (_Bottleneck(64, "down"), *(_Bottleneck(64),) * 4),
    2: (_Bottleneck(128, "down"), *_CONTEXT),
    3: _CONTEXT,
    4: (_Bottleneck(64, "up"), *(_Bottleneck(64),) * 2),
    5: (_Bottleneck(16, "up"), _Bottleneck(16)),
}
#: Stage that upsamples -> stage whose pooling it undoes.
_UNDONE = {4: 2, 5: 1}


class _ENet:
    """Maker of the layers of one form of the network."""

    def __init__(self, merged: bool, bn_mode: str) -> None:
        self.merged = merged
        self.bn_mode = bn_mode
        self.masks: dict[int, Any] = {}

    def conv_bn(
        self, filters: int, size: Size, place: str, *, use_bias: bool = True, **options: Any
    ) -> list[Layer]:
        """A convolution and its BN; merged, the BN is part of the convolution, which has a bias."""
        bias = use_bias or self.merged
        layers = conv(filters, size, f"conv{place}", use_bias=bias, **options)
        return layers if self.merged else [*layers, self.bn(place)]

    def bn(self, place: str) -> Layer:
        return BN(mode=self.bn_mode, name=f"bn{place}")

    def middle(self, block: _Bottleneck, place: str) -> list[Layer]:
        """The second of a bottleneck's three convolutions."""
        filters = block.filters // 4
        if block.kind == "up":
            up = Deconvolution(filters, 2, strides=2, name=f"deconv{place}")
            return [up, self.bn(place)]
        if block.kind != "asymmetric":
            step = block.dilation
            return self.conv_bn(filters, 3, place, pad=step, dilation=step)
        bias = self.merged
        return [
            *conv(filters, (5, 1), f"conv{place}_a", pad=1, use_bias=bias),
            *self.conv_bn(filters, (1, 5), place, pad=1),
        ]

    def shortcut(self, x: Any, block: _Bottleneck, stage: int, place: str) -> Any:
        """The way past a bottleneck's convolutions."""
        if block.kind == "down":
            pool = CaffeMaxPooling2D(2, strides=2, return_mask=True, name=f"pool{place}")
            x, self.masks[stage] = pool(x)
        if block.kind in ("down", "up"):
            x = through(x, self.conv_bn(block.filters, 1, place, use_bias=False))
        if block.kind == "up":
            x = Upsample(2, name=f"upsample{place}")([x, self.masks[_UNDONE[stage]]])
        return x

    def bottleneck(self, x: Any, block: _Bottleneck, stage: int, number: int) -> Any:
        """Three convolutions on a quarter of the channels, added to what they read."""
        place = f"{stage}_{number}"
        size = 2 if block.kind == "down" else 1
        activation = _relu if stage > 3 else _prelu
        layers = [
            *self.conv_bn(block.filters // 4, size, f"{place}_0", use_bias=False, stride=size),
            activation(f"prelu{place}_0"),
            *self.middle(block, f"{place}_1"),
            activation(f"prelu{place}_1"),
            *self.conv_bn(block.filters, 1, f"{place}_2", use_bias=False),
        ]
        if not self.merged:
            rate = 0.01 if stage == 1 else 0.1
            name = f"drop{place}_3"
            dropout = SpatialDropout(rate, scale_when_tested=True, name=name)
            layers.append(writes(dropout, name))
        shortcut = self.shortcut(x, block, stage, f"{place}_4")
        x = Add(name=f"eltwise{place}_4")([through(x, layers), shortcut])
        return activation(f"prelu{place}_4")(x)

    def __call__(self, x: Any, classes: int) -> Any:
        """From the image to the scores."""
        parts = [through(x, conv(13, 3, "conv0_1", stride=2, pad=1)), max_pool(2, 2, "pool0_1")(x)]
        x = Concatenate(name="concat0_1")(parts)
        x = through(x, [self.bn("0_1"), _prelu("prelu0_1")])
        for stage, blocks in _STAGES.items():
            for number, block in enumerate(blocks, 1 if stage == 3 else 0):
                x = self.bottleneck(x, block, stage, number)
        return Deconvolution(classes, 2, strides=2, name="deconv6_0_0")(x)


def _relu(name: str) -> Layer:
    return writes(relu(name), name)


def _prelu(name: str) -> Layer:
    return PReLU(name=name)


def ENet(  # noqa: N802
    *,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    classes: int = 19,
    classifier_activation: str | None = "softmax",
    bn_mode: str = "inference",
    merged: bool = False,
    name: str = "enet",
) -> CaffeFunctional:
    """ENet.

    Args:
        weights: a `.h5` of the converter, a `.caffemodel`, or the name of a published
            model (`keras-fcn models`); None for random weights.
        input_shape: (height, width, channels), both sizes multiples of 8; None where any
            such size will do.
        classes: channels of deconv6_0_0. Where the file has another number, deconv6_0_0
            keeps its random weights.
        classifier_activation: `"softmax"`, another activation, or None for logits.
        bn_mode: `"inference"`, for published weights, or `"learn"` for training, see
            `keras_fcn.layers.BN`. `keras_fcn.fine_tune` trains both by the batch.
        merged: the form whose convolutions hold the BN and dropout that follow them:
            `enet_deploy_final.prototxt`, for which the Cityscapes weights are published.
        name: the model's name.

    Returns:
        A functional model; output (batch, height, width, classes).

    Raises:
        CaffeError: the weights do not fit.
    """
    inputs = Input(input_shape, name="data")
    outputs = _ENet(merged, bn_mode)(inputs, classes)
    model = CaffeFunctional(inputs, outputs, name=name)
    head, published = "deconv6_0_0", "enet_cityscapes"
    return finish(model, weights, head, classifier_activation, _PREPROCESSING, published)
