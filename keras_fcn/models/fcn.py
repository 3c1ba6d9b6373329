"""FCN-32s, FCN-16s, FCN-8s and FCN-8s-at-once.

Shelhamer, Long and Darrell, "Fully Convolutional Networks for Semantic Segmentation",
2017; the `voc-fcn32s`, `voc-fcn16s`, `voc-fcn8s` and `voc-fcn8s-atonce` of
`shelhamer/fcn.berkeleyvision.org`, on VGG-16.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
from keras.layers import Add, Input, Layer

from keras_fcn.caffe.limits import check_kernel
from keras_fcn.core.model import CaffeFunctional
from keras_fcn.layers import Crop, Deconvolution, Scale
from keras_fcn.layers.initializers import BilinearOfEach
from keras_fcn.models.blocks import cast, cast_classifier, max_pool, through
from keras_fcn.models.construction import finish
from keras_fcn.models.tops import writes
from keras_fcn.models.vgg import CHANNELS, VGG16_DEPTHS, block
from keras_fcn.preprocessing import Preprocessing

PREPROCESSING = Preprocessing()

#: Padding of conv1_1, so that images of any size reach fc6; cut off again by `score`.
_PAD = 100

#: Pooling -> where its scores begin under those of the coarser layers.
_CROPS = {"pool4": 5, "pool3": 9}
_POOL_CHANNELS = {f"pool{number}": channels for number, channels in enumerate(CHANNELS, 1)}


class _Variant(NamedTuple):
    """One network.

    Attributes:
        skips: the poolings whose scores are added, and what they are multiplied by.
        upscore: name of the last upsampling.
        stride: pixels from one of its input positions to the next.
        offset: where the image begins in what it gives.
        published: the registry's name of its weights.
    """

    skips: Mapping[str, float]
    upscore: str
    stride: int
    offset: int
    published: str


_FCN32S = _Variant({}, "upscore", 32, 19, "fcn32s-heavy-pascal")
_FCN16S = _Variant({"pool4": 1.0}, "upscore16", 16, 27, "fcn16s-heavy-pascal")
_FCN8S = _Variant({"pool4": 1.0, "pool3": 1.0}, "upscore8", 8, 31, "fcn8s-heavy-pascal")
_FCN8S_AT_ONCE = _Variant(
    {"pool4": 0.01, "pool3": 0.0001}, "upscore8", 8, 31, "fcn8s-atonce-pascal"
)


def upscore(classes: int, stride: int, name: str, *, kernel_size: int | None = None) -> Layer:
    """Bilinear upsampling as a deconvolution, which the published networks do not train.

    Raises:
        NetworkError: its kernel, each class by each class, would take too much memory.
    """
    size = kernel_size or 2 * stride
    check_kernel(name, (size, size, classes, classes))
    return Deconvolution(
        classes,
        size,
        strides=stride,
        use_bias=False,
        kernel_initializer=BilinearOfEach(),
        trainable=False,
        name=name,
    )


def _vgg16(x: Any) -> dict[str, Any]:
    """The maps after each pooling."""
    pools = {}
    for number, depth in enumerate(VGG16_DEPTHS, 1):
        first_pad = _PAD if number == 1 else None
        x = through(x, block(number, depth, first_pad=first_pad))
        pools[f"pool{number}"] = x = max_pool(2, 2, f"pool{number}")(x)
    return pools


def _scaled(x: Any, pool: str, factor: float) -> Any:
    """A pooling's map times a constant, so that its scores learn as fast as the others."""
    if factor == 1:
        return x
    constant = keras.initializers.Constant(factor)
    name = f"scale_{pool}"
    scale = Scale((_POOL_CHANNELS[pool],), scale_initializer=constant, trainable=False, name=name)
    return writes(scale, name)(x)


def FCN32s(  # noqa: N802
    *,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    classes: int = 21,
    classifier_activation: str | None = "softmax",
    name: str = "fcn32s",
) -> CaffeFunctional:
    """FCN-32s: VGG-16's scores, upsampled 32 times.

    Args:
        weights: a `.h5` of the converter, a `.caffemodel`, or the name of a published
            model (`keras-fcn models`); None for random weights, and
            upsampling that is bilinear.
        input_shape: (height, width, channels); None where any size will do.
        classes: classes of a pixel. Where the file has another number, all layers that
            score or upsample classes keep their first weights.
        classifier_activation: `"softmax"`, another activation, or None for logits.
        name: the model's name.

    Returns:
        A functional model; output (batch, height, width, classes).

    Raises:
        CaffeError: the weights do not fit.
    """
    return _fcn(_FCN32S, weights, input_shape, classes, classifier_activation, name)


def FCN16s(  # noqa: N802
    *,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    classes: int = 21,
    classifier_activation: str | None = "softmax",
    name: str = "fcn16s",
) -> CaffeFunctional:
    """FCN-16s: scores of fc7 and pool4; arguments as for `FCN32s`."""
    return _fcn(_FCN16S, weights, input_shape, classes, classifier_activation, name)


def FCN8s(  # noqa: N802
    *,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    classes: int = 21,
    classifier_activation: str | None = "softmax",
    name: str = "fcn8s",
) -> CaffeFunctional:
    """FCN-8s: scores of fc7, pool4 and pool3; arguments as for `FCN32s`."""
    return _fcn(_FCN8S, weights, input_shape, classes, classifier_activation, name)


def FCN8sAtOnce(  # noqa: N802
    *,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    classes: int = 21,
    classifier_activation: str | None = "softmax",
    name: str = "fcn8s_at_once",
) -> CaffeFunctional:
    """FCN-8s trained in one step instead of after 32s and 16s, with pool4 and pool3 scaled.

    Arguments as for `FCN32s`.
    """
    return _fcn(_FCN8S_AT_ONCE, weights, input_shape, classes, classifier_activation, name)


def _fcn(
    variant: _Variant,
    weights: str | Path | None,
    input_shape: tuple[int | None, int | None, int],
    classes: int,
    classifier_activation: str | None,
    name: str,
) -> CaffeFunctional:
    inputs = Input(input_shape, name="data")
    pools = _vgg16(inputs)
    x = through(pools["pool5"], [*cast_classifier(7), cast(classes, 1, "score_fr")])
    heads, up = ["score_fr"], "upscore2"
    for pool, factor in variant.skips.items():
        x = upscore(classes, 2, up)(x)
        skip = cast(classes, 1, f"score_{pool}")(_scaled(pools[pool], pool, factor))
        skip = Crop(2, _CROPS[pool], name=f"score_{pool}c")([skip, x])
        x = Add(name=f"fuse_{pool}")([x, skip])
        heads += [up, f"score_{pool}"]
        up = f"upscore_{pool}"
    x = upscore(classes, variant.stride, variant.upscore)(x)
    x = Crop(2, variant.offset, name="score")([x, inputs])
    model = CaffeFunctional(inputs, x, name=name)
    heads.append(variant.upscore)
    return finish(model, weights, heads, classifier_activation, PREPROCESSING, variant.published)
