"""LeNet as Caffe's examples have it, and its fully convolutional variant.

LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document
Recognition", 1998; `examples/mnist/lenet.prototxt` of BVLC Caffe.
"""

from __future__ import annotations

from pathlib import Path

import keras
from keras.layers import Dense, Input, Layer, ReLU

from keras_fcn.core.model import CaffeSequential
from keras_fcn.layers import CaffeMaxPooling2D
from keras_fcn.layers._stock import Conv2D, Flatten
from keras_fcn.models.construction import finish
from keras_fcn.preprocessing import Preprocessing

_PREPROCESSING = Preprocessing(channels=1, mean=None, input_scale=1 / 256)


def _features() -> list[Layer]:
    """conv1 to pool2: 28 x 28 -> 4 x 4 positions of 50 channels."""
    return [
        Conv2D(20, 5, name="conv1"),
        CaffeMaxPooling2D(2, strides=2, name="pool1"),
        Conv2D(50, 5, name="conv2"),
        CaffeMaxPooling2D(2, strides=2, name="pool2"),
    ]


def LeNet(  # noqa: N802
    *,
    include_top: bool = True,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (28, 28, 1),
    classes: int = 10,
    classifier_activation: str | None = "softmax",
    name: str = "lenet",
) -> keras.Sequential:
    """LeNet, the classifier of small grey images; pixels times 1/256, as Caffe trains it.

    Args:
        include_top: whether ip1 and ip2 follow pool2.
        weights: a `.h5` of the converter, a `.caffemodel`, or the name of a published
            model (`keras-fcn models`), of this network or of its fully convolutional
            form; None for random weights.
        input_shape: (height, width, channels).
        classes: outputs of ip2: 10 digits, 36 digits and letters. Where the file has
            another number, ip2 keeps its random weights.
        classifier_activation: `"softmax"`, another activation, or None for logits.
        name: the model's name.

    Raises:
        CaffeError: the weights do not fit.
    """
    layers = [Input(input_shape, name="data"), *_features()]
    if include_top:
        layers += [
            Flatten(name="flatten"),
            Dense(500, name="ip1"),
            ReLU(name="relu1"),
            Dense(classes, name="ip2"),
        ]
    model = CaffeSequential(layers, name=name)
    head = "ip2" if include_top else None
    return finish(model, weights, head, classifier_activation, _PREPROCESSING)


def LeNetFCN(  # noqa: N802
    *,
    include_top: bool = True,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 1),
    classes: int = 10,
    classifier_activation: str | None = "softmax",
    name: str = "lenet_fcn",
) -> keras.Sequential:
    """LeNet cast to a fully convolutional network: any image, a map of classes.

    ip1 is a 4 x 4 convolution, ip2 is 1 x 1. Nothing is padded, so position (i, j)
    of the map equals the classifier on the 28 x 28 crop at (4i, 4j); a 290 x 720
    image gives 67 x 174 positions.

    Args:
        include_top: whether ip1-conv and ip2-conv follow pool2.
        weights: as for `LeNet`; both forms load.
        input_shape: (height, width, channels); None where any size will do.
        classes: outputs of ip2-conv.
        classifier_activation: `"softmax"`, another activation, or None for logits.
        name: the model's name.

    Raises:
        CaffeError: the weights do not fit.
    """
    layers = [Input(input_shape, name="data"), *_features()]
    if include_top:
        layers += [
            Conv2D(500, 4, name="ip1-conv"),
            ReLU(name="relu1"),
            Conv2D(classes, 1, name="ip2-conv"),
        ]
    model = CaffeSequential(layers, name=name)
    head = "ip2-conv" if include_top else None
    return finish(model, weights, head, classifier_activation, _PREPROCESSING)
