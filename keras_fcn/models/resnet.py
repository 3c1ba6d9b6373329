"""ResNet-50, ResNet-101 and ResNet-152.

He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", 2016; the
authors' Caffe networks, whose strides are in the first 1 x 1 convolutions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from keras.layers import Add, Dense, Input, Layer

from keras_fcn.core.model import CaffeFunctional
from keras_fcn.layers._stock import Flatten
from keras_fcn.models.blocks import conv_bn, global_average, max_pool, relu, through
from keras_fcn.models.construction import finish
from keras_fcn.preprocessing import Preprocessing

#: Layers -> blocks of the stages res2 to res5.
_DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
#: Channels inside the blocks of a stage; four times as many come out.
_CHANNELS = (64, 128, 256, 512)

_PREPROCESSING = Preprocessing(size=(256, 256), crop=(224, 224), mean=(104.0, 117.0, 123.0))


def _block_names(layers: int, stage: int, depth: int) -> Iterator[str]:
    """2a, 2b, 2c, ...; in the long stages of the deeper networks 3a, 3b1, 3b2, ..."""
    numbered = layers > 50 and stage in (3, 4)
    for index in range(depth):
        yield f"{stage}a" if not index else f"{stage}{f'b{index}' if numbered else chr(97 + index)}"


def _branch(block: str, part: str, filters: int, kernel_size: int, stride: int) -> list[Layer]:
    name = f"{block}_branch{part}"
    pad = kernel_size // 2
    return conv_bn(
        filters, kernel_size, f"res{name}", f"bn{name}", f"scale{name}", stride=stride, pad=pad
    )


def _block(x: Any, block: str, channels: int, stride: int, projected: bool) -> Any:
    """A bottleneck of three convolutions, added to what it reads."""
    bottleneck = [
        *_branch(block, "2a", channels, 1, stride),
        relu(f"res{block}_branch2a_relu"),
        *_branch(block, "2b", channels, 3, 1),
        relu(f"res{block}_branch2b_relu"),
        *_branch(block, "2c", 4 * channels, 1, 1),
    ]
    shortcut = through(x, _branch(block, "1", 4 * channels, 1, stride)) if projected else x
    x = Add(name=f"res{block}")([shortcut, through(x, bottleneck)])
    return relu(f"res{block}_relu")(x)


def _features(x: Any, layers: int) -> Any:
    """conv1 to res5c: 224 x 224 -> 7 x 7 positions of 2048 channels."""
    use_bias = layers == 50  # the published ResNet-50 alone has it
    stem = conv_bn(64, 7, "conv1", "bn_conv1", "scale_conv1", stride=2, pad=3, use_bias=use_bias)
    x = through(x, [*stem, relu("conv1_relu"), max_pool(3, 2, "pool1")])
    stages: Sequence[tuple[int, int]] = tuple(zip(_DEPTHS[layers], _CHANNELS, strict=True))
    for stage, (depth, channels) in enumerate(stages, 2):
        for index, block in enumerate(_block_names(layers, stage, depth)):
            stride = 2 if stage > 2 and not index else 1
            x = _block(x, block, channels, stride, projected=not index)
    return x


def ResNet50(  # noqa: N802
    *,
    include_top: bool = True,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    name: str = "resnet50",
) -> CaffeFunctional:
    """ResNet-50, the classifier.

    The last pooling covers the whole map, which at 224 x 224 is Caffe's 7 x 7 window,
    so that other sizes work, too.

    Args:
        include_top: whether pool5 and fc1000 follow res5c.
        weights: a `.h5` of the converter, a `.caffemodel`, or the name of a published
            model (`keras-fcn models`); None for random weights.
        input_shape: (height, width, channels); None where any size will do.
        classes: outputs of fc1000. Where the file has another number, fc1000 keeps its
            random weights.
        classifier_activation: `"softmax"`, another activation, or None for logits.
        name: the model's name.

    Raises:
        CaffeError: the weights do not fit.
    """
    return _resnet(50, include_top, weights, input_shape, classes, classifier_activation, name)


def ResNet101(  # noqa: N802
    *,
    include_top: bool = True,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    name: str = "resnet101",
) -> CaffeFunctional:
    """ResNet-101, the classifier; arguments as for `ResNet50`."""
    return _resnet(101, include_top, weights, input_shape, classes, classifier_activation, name)


def ResNet152(  # noqa: N802
    *,
    include_top: bool = True,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    name: str = "resnet152",
) -> CaffeFunctional:
    """ResNet-152, the classifier; arguments as for `ResNet50`."""
    return _resnet(152, include_top, weights, input_shape, classes, classifier_activation, name)


def _resnet(
    layers: int,
    include_top: bool,
    weights: str | Path | None,
    input_shape: tuple[int | None, int | None, int],
    classes: int,
    classifier_activation: str | None,
    name: str,
) -> CaffeFunctional:
    inputs = Input(input_shape, name="data")
    x = _features(inputs, layers)
    if include_top:
        top = [global_average("pool5"), Flatten(name="flatten"), Dense(classes, name="fc1000")]
        x = through(x, top)
    model = CaffeFunctional(inputs, x, name=name)
    head = "fc1000" if include_top else None
    return finish(model, weights, head, classifier_activation, _PREPROCESSING)
