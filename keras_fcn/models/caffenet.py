"""CaffeNet and its fully convolutional variant.

CaffeNet is AlexNet with pooling before normalization: Krizhevsky, Sutskever and
Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", 2012;
`models/bvlc_reference_caffenet` of BVLC Caffe. The variant is that of Caffe's
net surgery example: Long, Shelhamer and Darrell, "Fully Convolutional Networks for
Semantic Segmentation", 2015.
"""

from __future__ import annotations

from pathlib import Path

import keras
from keras.layers import Dense, Dropout, Input, Layer, ReLU

from keras_fcn.core.model import CaffeSequential
from keras_fcn.layers import CaffeMaxPooling2D, GroupedConv2D, LocalResponseNormalization
from keras_fcn.layers._stock import Conv2D, Flatten
from keras_fcn.models.construction import finish
from keras_fcn.preprocessing import Preprocessing

_PREPROCESSING = Preprocessing(size=(256, 256), crop=(227, 227))
_PREPROCESSING_FCN = Preprocessing()


def features() -> list[Layer]:
    """conv1 to pool5: 227 x 227 -> 6 x 6, 451 x 451 -> 13 x 13 positions of 256 channels."""

    def pool(name: str) -> Layer:
        return CaffeMaxPooling2D(3, strides=2, name=name)

    def norm(name: str) -> Layer:
        return LocalResponseNormalization(local_size=5, alpha=1e-4, beta=0.75, name=name)

    return [
        Conv2D(96, 11, strides=4, name="conv1"),
        ReLU(name="relu1"),
        pool("pool1"),
        norm("norm1"),
        GroupedConv2D(256, 5, padding="same", groups=2, name="conv2"),
        ReLU(name="relu2"),
        pool("pool2"),
        norm("norm2"),
        Conv2D(384, 3, padding="same", name="conv3"),
        ReLU(name="relu3"),
        GroupedConv2D(384, 3, padding="same", groups=2, name="conv4"),
        ReLU(name="relu4"),
        GroupedConv2D(256, 3, padding="same", groups=2, name="conv5"),
        ReLU(name="relu5"),
        pool("pool5"),
    ]


def CaffeNet(  # noqa: N802
    *,
    include_top: bool = True,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (227, 227, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    name: str = "caffenet",
) -> keras.Sequential:
    """CaffeNet, the classifier.

    Args:
        include_top: whether fc6, fc7, fc8 follow pool5.
        weights: a `.h5` of the converter, a `.caffemodel`, or the name of a published
            model (`keras-fcn models`), of this network or of its fully convolutional
            form; None for random weights.
        input_shape: (height, width, channels).
        classes: outputs of fc8. Where the file has another number, fc8 keeps its
            random weights.
        classifier_activation: `"softmax"`, another activation, or None for logits.
        name: the model's name.

    Returns:
        A sequential model whose layers have Caffe's names; images are BGR less
        their mean, see `keras_fcn.preprocess_input`.

    Raises:
        CaffeError: the weights do not fit.
    """
    layers = [Input(input_shape, name="data"), *features()]
    if include_top:
        layers += [
            Flatten(name="flatten"),
            Dense(4096, name="fc6"),
            ReLU(name="relu6"),
            Dropout(0.5, name="drop6"),
            Dense(4096, name="fc7"),
            ReLU(name="relu7"),
            Dropout(0.5, name="drop7"),
            Dense(classes, name="fc8"),
        ]
    model = CaffeSequential(layers, name=name)
    head = "fc8" if include_top else None
    return finish(model, weights, head, classifier_activation, _PREPROCESSING)


def CaffeNetFCN(  # noqa: N802
    *,
    include_top: bool = True,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    name: str = "caffenet_fcn",
) -> keras.Sequential:
    """CaffeNet cast to a fully convolutional network: any image, a map of classes.

    fc6 is a 6 x 6 convolution, fc7 and fc8 are 1 x 1; their weights are those of the
    classifier. A 451 x 451 image gives an 8 x 8 map, one position every 32 pixels.

    Args:
        include_top: whether fc6-conv, fc7-conv, fc8-conv follow pool5.
        weights: as for `CaffeNet`; both forms load.
        input_shape: (height, width, channels); None where any size will do.
        classes: outputs of fc8-conv.
        classifier_activation: `"softmax"`, another activation, or None for logits.
        name: the model's name.

    Returns:
        A sequential model; output (batch, rows, columns, classes).

    Raises:
        CaffeError: the weights do not fit.
    """
    layers = [Input(input_shape, name="data"), *features()]
    if include_top:
        layers += [
            GroupedConv2D(4096, 6, name="fc6-conv"),
            ReLU(name="relu6"),
            Dropout(0.5, name="drop6"),
            GroupedConv2D(4096, 1, name="fc7-conv"),
            ReLU(name="relu7"),
            Dropout(0.5, name="drop7"),
            GroupedConv2D(classes, 1, name="fc8-conv"),
        ]
    model = CaffeSequential(layers, name=name)
    head = "fc8-conv" if include_top else None
    return finish(model, weights, head, classifier_activation, _PREPROCESSING_FCN)
