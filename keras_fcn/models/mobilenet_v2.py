"""MobileNet v2.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018; layers
and names as in `shicai/MobileNet-Caffe`, whose ReLUs have no upper limit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from keras.layers import Add, Input, Layer

from keras_fcn.core.model import CaffeFunctional
from keras_fcn.layers._stock import Flatten
from keras_fcn.models.blocks import conv, conv_bn, global_average, relu, through
from keras_fcn.models.construction import finish
from keras_fcn.models.mobilenet import PREPROCESSING


class _Block(NamedTuple):
    """An inverted residual.

    Attributes:
        expansion: how many times as many channels it works with as it reads.
        filters: channels it gives.
        stride: of its 3 x 3 convolution.
    """

    expansion: int
    filters: int
    stride: int = 1


_BLOCKS = {
    "2_1": _Block(1, 16),
    "2_2": _Block(6, 24, 2),
    "3_1": _Block(6, 24),
    "3_2": _Block(6, 32, 2),
    "4_1": _Block(6, 32),
    "4_2": _Block(6, 32),
    "4_3": _Block(6, 64),
    "4_4": _Block(6, 64),
    "4_5": _Block(6, 64),
    "4_6": _Block(6, 64),
    "4_7": _Block(6, 96, 2),
    "5_1": _Block(6, 96),
    "5_2": _Block(6, 96),
    "5_3": _Block(6, 160, 2),
    "6_1": _Block(6, 160),
    "6_2": _Block(6, 160),
    "6_3": _Block(6, 320),
}


def _conv(filters: int, size: int, number: str, *, stride: int = 1, groups: int = 1) -> list[Layer]:
    name = f"conv{number}"
    options: dict[str, Any] = {"stride": stride, "pad": size // 2, "groups": groups}
    return conv_bn(
        filters, size, name, f"{name}/bn", f"{name}/scale", bn_top=f"{name}/bn", **options
    )


def _block(x: Any, number: str, block: _Block) -> Any:
    """Many channels for the 3 x 3 convolution, few between the blocks; added where it fits."""
    channels = x.shape[-1]
    wide = block.expansion * channels
    outputs = through(
        x,
        [
            *_conv(wide, 1, f"{number}/expand"),
            relu(f"relu{number}/expand"),
            *_conv(wide, 3, f"{number}/dwise", stride=block.stride, groups=wide),
            relu(f"relu{number}/dwise"),
            *_conv(block.filters, 1, f"{number}/linear"),
        ],
    )
    if (block.stride, block.filters) != (1, channels):
        return outputs
    return Add(name=f"block_{number}")([x, outputs])


def _features(x: Any) -> Any:
    """conv1 to conv6_4: 224 x 224 -> 7 x 7 positions of 1280 channels."""
    x = through(x, [*_conv(32, 3, "1", stride=2), relu("relu1")])
    for number, block in _BLOCKS.items():
        x = _block(x, number, block)
    return through(x, [*_conv(1280, 1, "6_4"), relu("relu6_4")])


def MobileNetV2(  # noqa: N802
    *,
    include_top: bool = True,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    name: str = "mobilenet_v2",
) -> CaffeFunctional:
    """MobileNet v2 1.0, the classifier.

    Args:
        include_top: whether pool6 and fc7 follow conv6_4.
        weights: a `.h5` of the converter, a `.caffemodel`, or the name of a published
            model (`keras-fcn models`); None for random weights.
        input_shape: (height, width, channels); None where any size will do.
        classes: outputs of fc7. Where the file has another number, fc7 keeps its random
            weights.
        classifier_activation: `"softmax"`, another activation, or None for logits.
        name: the model's name.

    Raises:
        CaffeError: the weights do not fit.
    """
    inputs = Input(input_shape, name="data")
    x = _features(inputs)
    if include_top:
        top = [global_average("pool6"), *conv(classes, 1, "fc7"), Flatten(name="flatten")]
        x = through(x, top)
    model = CaffeFunctional(inputs, x, name=name)
    head = "fc7" if include_top else None
    return finish(model, weights, head, classifier_activation, PREPROCESSING)
