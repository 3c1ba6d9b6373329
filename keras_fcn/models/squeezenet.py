"""SqueezeNet 1.0 and 1.1.

Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB
model size", 2016; the authors' `SqueezeNet_v1.0` and `SqueezeNet_v1.1`.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from keras.layers import Concatenate, Dropout, Input

from keras_fcn.caffe.names import keras_name
from keras_fcn.core.model import CaffeFunctional
from keras_fcn.layers._stock import Flatten
from keras_fcn.models.blocks import conv_relu, global_average, max_pool, through
from keras_fcn.models.construction import finish
from keras_fcn.models.tops import writes
from keras_fcn.preprocessing import Preprocessing

#: Fire module -> channels of its squeeze, and of each of its two expand convolutions.
_FIRES = {
    2: (16, 64),
    3: (16, 64),
    4: (32, 128),
    5: (32, 128),
    6: (48, 192),
    7: (48, 192),
    8: (64, 256),
    9: (64, 256),
}


class _Version(NamedTuple):
    """Differences between two versions.

    Attributes:
        filters: channels of conv1.
        kernel_size: side of conv1's windows.
        pooled: the modules, or conv1 as 1, that a pooling follows.
        last_pad: zeros around the 1 x 1 windows of conv10.
    """

    filters: int
    kernel_size: int
    pooled: Collection[int]
    last_pad: int


_VERSION_1_0 = _Version(96, 7, (1, 4, 8), 1)
_VERSION_1_1 = _Version(64, 3, (1, 3, 5), 0)

_PREPROCESSING = Preprocessing(size=(256, 256), crop=(227, 227), mean=(104.0, 117.0, 123.0))


def _fire(x: Any, name: str, squeeze: int, expand: int) -> Any:
    """A few channels, then many of them by 1 x 1 and 3 x 3 convolutions side by side."""
    x = through(x, conv_relu(squeeze, 1, f"{name}/squeeze1x1", f"{name}/relu_squeeze1x1"))
    parts = [
        through(
            x,
            conv_relu(
                expand, size, f"{name}/expand{part}", f"{name}/relu_expand{part}", pad=size // 2
            ),
        )
        for size, part in ((1, "1x1"), (3, "3x3"))
    ]
    concat = f"{name}/concat"
    return writes(Concatenate(name=keras_name(concat)), concat)(parts)


def _features(x: Any, version: _Version) -> Any:
    """conv1 to fire9: 227 x 227 -> 13 x 13 positions of 512 channels."""
    x = through(x, conv_relu(version.filters, version.kernel_size, "conv1", "relu_conv1", stride=2))
    x = max_pool(3, 2, "pool1")(x)
    for number, (squeeze, expand) in _FIRES.items():
        x = _fire(x, f"fire{number}", squeeze, expand)
        if number in version.pooled:
            x = max_pool(3, 2, f"pool{number}")(x)
    return x


def SqueezeNet(  # noqa: N802
    *,
    include_top: bool = True,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (227, 227, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    name: str = "squeezenet",
) -> CaffeFunctional:
    """SqueezeNet 1.0, the classifier.

    Args:
        include_top: whether conv10 and pool10 follow fire9.
        weights: a `.h5` of the converter, a `.caffemodel`, or the name of a published
            model (`keras-fcn models`); None for random weights.
        input_shape: (height, width, channels); None where any size will do.
        classes: channels of conv10. Where the file has another number, conv10 keeps its
            random weights.
        classifier_activation: `"softmax"`, another activation, or None for logits.
        name: the model's name.

    Raises:
        CaffeError: the weights do not fit.
    """
    return _squeezenet(
        _VERSION_1_0, include_top, weights, input_shape, classes, classifier_activation, name
    )


def SqueezeNet11(  # noqa: N802
    *,
    include_top: bool = True,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (227, 227, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    name: str = "squeezenet11",
) -> CaffeFunctional:
    """SqueezeNet 1.1, with less than half of the work; arguments as for `SqueezeNet`."""
    return _squeezenet(
        _VERSION_1_1, include_top, weights, input_shape, classes, classifier_activation, name
    )


def _squeezenet(
    version: _Version,
    include_top: bool,
    weights: str | Path | None,
    input_shape: tuple[int | None, int | None, int],
    classes: int,
    classifier_activation: str | None,
    name: str,
) -> CaffeFunctional:
    inputs = Input(input_shape, name="data")
    x = _features(inputs, version)
    if include_top:
        top = [
            Dropout(0.5, name="drop9"),
            *conv_relu(classes, 1, "conv10", "relu_conv10", pad=version.last_pad),
            global_average("pool10"),
            Flatten(name="flatten"),
        ]
        x = through(x, top)
    model = CaffeFunctional(inputs, x, name=name)
    head = "conv10" if include_top else None
    return finish(model, weights, head, classifier_activation, _PREPROCESSING)
