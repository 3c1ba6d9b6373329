"""MobileNet.

Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications", 2017; layers and names as in `shicai/MobileNet-Caffe`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
from keras.layers import Input, Layer

from keras_fcn.core.model import CaffeSequential
from keras_fcn.layers._stock import Flatten
from keras_fcn.models.blocks import conv, conv_bn, global_average, relu
from keras_fcn.models.construction import finish
from keras_fcn.preprocessing import Preprocessing

#: Block -> its stride, the channels it reads and those it gives.
_BLOCKS = {
    "2_1": (1, 32, 64),
    "2_2": (2, 64, 128),
    "3_1": (1, 128, 128),
    "3_2": (2, 128, 256),
    "4_1": (1, 256, 256),
    "4_2": (2, 256, 512),
    "5_1": (1, 512, 512),
    "5_2": (1, 512, 512),
    "5_3": (1, 512, 512),
    "5_4": (1, 512, 512),
    "5_5": (1, 512, 512),
    "5_6": (2, 512, 1024),
    "6": (1, 1024, 1024),
}

#: Also that of MobileNet v2.
PREPROCESSING = Preprocessing(
    size=(256, 256), crop=(224, 224), mean=(103.94, 116.78, 123.68), input_scale=0.017
)


def _conv(filters: int, size: int, number: str, *, stride: int = 1, groups: int = 1) -> list[Layer]:
    """Convolution, BatchNorm, Scale, ReLU."""
    name = f"conv{number}"
    options: dict[str, Any] = {"stride": stride, "pad": size // 2, "groups": groups}
    layers = conv_bn(
        filters, size, name, f"{name}/bn", f"{name}/scale", bn_top=f"{name}/bn", **options
    )
    return [*layers, relu(f"relu{number}")]


def _features() -> list[Layer]:
    """conv1 to conv6: 224 x 224 -> 7 x 7 positions of 1024 channels."""
    layers = _conv(32, 3, "1", stride=2)
    for number, (stride, inputs, outputs) in _BLOCKS.items():
        layers += _conv(inputs, 3, f"{number}/dw", stride=stride, groups=inputs)
        layers += _conv(outputs, 1, f"{number}/sep")
    return layers


def MobileNet(  # noqa: N802
    *,
    include_top: bool = True,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    name: str = "mobilenet",
) -> keras.Sequential:
    """MobileNet 1.0, the classifier.

    Args:
        include_top: whether pool6 and fc7 follow conv6.
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
    layers = [Input(input_shape, name="data"), *_features()]
    if include_top:
        layers += [global_average("pool6"), *conv(classes, 1, "fc7"), Flatten(name="flatten")]
    model = CaffeSequential(layers, name=name)
    head = "fc7" if include_top else None
    return finish(model, weights, head, classifier_activation, PREPROCESSING)
