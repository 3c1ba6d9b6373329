"""GoogLeNet.

Szegedy et al., "Going Deeper with Convolutions", 2015; `models/bvlc_googlenet` of
BVLC Caffe, without the two classifiers that only help to train it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from keras.layers import Concatenate, Dense, Dropout, Input

from keras_fcn.caffe.names import keras_name
from keras_fcn.core.model import CaffeFunctional
from keras_fcn.layers._stock import Flatten
from keras_fcn.models.blocks import conv_relu, global_average, lrn, max_pool, through
from keras_fcn.models.construction import finish
from keras_fcn.models.tops import writes
from keras_fcn.preprocessing import Preprocessing

_HEAD = "loss3/classifier"
_PREPROCESSING = Preprocessing(size=(256, 256), crop=(224, 224), mean=(104.0, 117.0, 123.0))


class _Inception(NamedTuple):
    """Channels of one module's convolutions, as the columns of the paper's table 1."""

    c1x1: int
    c3x3_reduce: int
    c3x3: int
    c5x5_reduce: int
    c5x5: int
    pool_proj: int


#: Module -> its channels; None for a pooling of stride 2.
_MODULES: dict[str, _Inception | None] = {
    "inception_3a": _Inception(64, 96, 128, 16, 32, 32),
    "inception_3b": _Inception(128, 128, 192, 32, 96, 64),
    "pool3/3x3_s2": None,
    "inception_4a": _Inception(192, 96, 208, 16, 48, 64),
    "inception_4b": _Inception(160, 112, 224, 24, 64, 64),
    "inception_4c": _Inception(128, 128, 256, 24, 64, 64),
    "inception_4d": _Inception(112, 144, 288, 32, 64, 64),
    "inception_4e": _Inception(256, 160, 320, 32, 128, 128),
    "pool4/3x3_s2": None,
    "inception_5a": _Inception(256, 160, 320, 32, 128, 128),
    "inception_5b": _Inception(384, 192, 384, 48, 128, 128),
}


def _module(x: Any, name: str, channels: _Inception) -> Any:
    """Four ways over the same map, their channels side by side."""

    def conv(filters: int, size: int, part: str) -> list[Any]:
        return conv_relu(filters, size, f"{name}/{part}", f"{name}/relu_{part}", pad=size // 2)

    ways = [
        conv(channels.c1x1, 1, "1x1"),
        [*conv(channels.c3x3_reduce, 1, "3x3_reduce"), *conv(channels.c3x3, 3, "3x3")],
        [*conv(channels.c5x5_reduce, 1, "5x5_reduce"), *conv(channels.c5x5, 5, "5x5")],
        [max_pool(3, 1, f"{name}/pool", pad=1), *conv(channels.pool_proj, 1, "pool_proj")],
    ]
    output = f"{name}/output"
    return writes(Concatenate(name=keras_name(output)), output)([through(x, way) for way in ways])


def _features(x: Any) -> Any:
    """conv1 to inception_5b: 224 x 224 -> 7 x 7 positions of 1024 channels."""
    x = through(
        x,
        [
            *conv_relu(64, 7, "conv1/7x7_s2", "conv1/relu_7x7", stride=2, pad=3),
            max_pool(3, 2, "pool1/3x3_s2"),
            lrn("pool1/norm1"),
            *conv_relu(64, 1, "conv2/3x3_reduce", "conv2/relu_3x3_reduce"),
            *conv_relu(192, 3, "conv2/3x3", "conv2/relu_3x3", pad=1),
            lrn("conv2/norm2"),
            max_pool(3, 2, "pool2/3x3_s2"),
        ],
    )
    for name, channels in _MODULES.items():
        x = max_pool(3, 2, name)(x) if channels is None else _module(x, name, channels)
    return x


def GoogLeNet(  # noqa: N802
    *,
    include_top: bool = True,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    name: str = "googlenet",
) -> CaffeFunctional:
    """GoogLeNet, the classifier.

    The last pooling covers the whole map, which at 224 x 224 is Caffe's 7 x 7 window,
    so that other sizes work, too.

    Args:
        include_top: whether the pooling and loss3/classifier follow inception_5b.
        weights: a `.h5` of the converter, a `.caffemodel`, or the name of a published
            model (`keras-fcn models`); None for random weights.
        input_shape: (height, width, channels); None where any size will do.
        classes: outputs of loss3/classifier. Where the file has another number, it keeps
            its random weights.
        classifier_activation: `"softmax"`, another activation, or None for logits.
        name: the model's name.

    Raises:
        CaffeError: the weights do not fit.
    """
    inputs = Input(input_shape, name="data")
    x = _features(inputs)
    head = keras_name(_HEAD) if include_top else None
    if include_top:
        top = [
            global_average("pool5/7x7_s1"),
            Dropout(0.4, name=keras_name("pool5/drop_7x7_s1")),
            Flatten(name="flatten"),
            writes(Dense(classes, name=head), _HEAD),
        ]
        x = through(x, top)
    model = CaffeFunctional(inputs, x, name=name)
    return finish(model, weights, head, classifier_activation, _PREPROCESSING)
