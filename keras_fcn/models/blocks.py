"""The vocabulary of the networks: layers in Caffe's terms, as lists that follow each other.

Names are Caffe's, and made safe for Keras here (`fire2/concat` -> `fire2_concat`); blobs
keep them as they are, see `keras_fcn.models.tops`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from keras.layers import Dense, Dropout, Layer, ReLU

from keras_fcn.caffe.names import keras_name
from keras_fcn.layers import (
    BatchNorm,
    CaffeAveragePooling2D,
    CaffeMaxPooling2D,
    GroupedConv2D,
    LocalResponseNormalization,
    Scale,
)
from keras_fcn.layers._stock import Conv2D, Flatten, ZeroPadding2D
from keras_fcn.models.tops import writes

Size = int | tuple[int, int]
"""Height and width, or one number for both."""


def through(x: Any, layers: Iterable[Layer]) -> Any:
    """A tensor after layers that follow each other."""
    for layer in layers:
        x = layer(x)
    return x


def conv(
    filters: int,
    kernel_size: Size,
    name: str,
    *,
    stride: int = 1,
    pad: int = 0,
    dilation: int = 1,
    groups: int = 1,
    use_bias: bool = True,
    top: str = "",
) -> list[Layer]:
    """A convolution with Caffe's padding: `pad` zeros on all four sides.

    `top`: its blob, where that has another name.
    """
    name, top = keras_name(name), top or name
    sizes = (kernel_size,) * 2 if isinstance(kernel_size, int) else kernel_size
    same = stride == 1 and pad > 0 and all(2 * pad == dilation * (n - 1) for n in sizes)
    padding = [] if same or not pad else [ZeroPadding2D(pad, name=f"{name}_pad")]
    own = groups > 1 or (stride > 1 and max(sizes) == 1)  # see GroupedConv2D
    kind = GroupedConv2D if own else Conv2D
    convolution = kind(
        filters,
        kernel_size,
        strides=stride,
        padding="same" if same else "valid",
        dilation_rate=dilation,
        groups=groups,
        use_bias=use_bias,
        name=name,
    )
    return [*padding, writes(convolution, top)]


def conv_relu(
    filters: int, kernel_size: int, name: str, relu_name: str, **options: Any
) -> list[Layer]:
    """A convolution, see `conv`, and its ReLU."""
    return [*conv(filters, kernel_size, name, **options), relu(relu_name)]


def conv_bn(
    filters: int,
    kernel_size: int,
    name: str,
    bn_name: str,
    scale_name: str,
    *,
    bn_top: str = "",
    **options: Any,
) -> list[Layer]:
    """A convolution, see `conv`, then BatchNorm and the Scale that learns for it.

    `bn_top`: the blob of BatchNorm, where it does not work in place.
    """
    return [
        *conv(filters, kernel_size, name, **{"use_bias": False, **options}),
        writes(BatchNorm(name=keras_name(bn_name)), bn_top),
        Scale((filters,), use_bias=True, name=keras_name(scale_name)),
    ]


def cast(filters: int, kernel_size: int, name: str, *, dilation: int = 1) -> Layer:
    """An inner product cast to a convolution without padding; its kernel may be large."""
    return GroupedConv2D(filters, kernel_size, dilation_rate=dilation, name=name)


def relu(name: str) -> Layer:
    """A ReLU."""
    return ReLU(name=keras_name(name))


def max_pool(size: int, stride: int, name: str, *, pad: int = 0) -> Layer:
    """Maximum pooling with Caffe's windows."""
    pooling = CaffeMaxPooling2D(size, strides=stride, padding=pad, name=keras_name(name))
    return writes(pooling, name)


def global_average(name: str) -> Layer:
    """The mean of each channel, a map of one position: networks that end so take any image."""
    return writes(CaffeAveragePooling2D(global_pooling=True, name=keras_name(name)), name)


def lrn(name: str) -> Layer:
    """LRN over five channels, as all the networks have it."""
    norm = LocalResponseNormalization(local_size=5, alpha=1e-4, beta=0.75, name=keras_name(name))
    return writes(norm, name)


def classifier(classes: int) -> list[Layer]:
    """Flatten, fc6, fc7 and fc8 of AlexNet and VGG."""
    return [
        Flatten(name="flatten"),
        Dense(4096, name="fc6"),
        relu("relu6"),
        Dropout(0.5, name="drop6"),
        Dense(4096, name="fc7"),
        relu("relu7"),
        Dropout(0.5, name="drop7"),
        Dense(classes, name="fc8"),
    ]


def cast_classifier(kernel_size: int, *, dilation: int = 1) -> list[Layer]:
    """fc6 and fc7 cast to convolutions, without the scores that follow them."""
    return [
        cast(4096, kernel_size, "fc6", dilation=dilation),
        relu("relu6"),
        Dropout(0.5, name="drop6"),
        cast(4096, 1, "fc7"),
        relu("relu7"),
        Dropout(0.5, name="drop7"),
    ]
