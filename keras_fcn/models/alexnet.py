"""AlexNet.

Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional
Neural Networks", 2012; `models/bvlc_alexnet` of BVLC Caffe.
"""

from __future__ import annotations

from pathlib import Path

import keras
from keras.layers import Input, Layer

from keras_fcn.core.model import CaffeSequential
from keras_fcn.models.blocks import classifier, conv_relu, lrn, max_pool
from keras_fcn.models.construction import finish
from keras_fcn.preprocessing import Preprocessing

_PREPROCESSING = Preprocessing(size=(256, 256), crop=(227, 227))


def _features() -> list[Layer]:
    """conv1 to pool5; CaffeNet pools before it normalizes, AlexNet afterwards."""
    return [
        *conv_relu(96, 11, "conv1", "relu1", stride=4),
        lrn("norm1"),
        max_pool(3, 2, "pool1"),
        *conv_relu(256, 5, "conv2", "relu2", pad=2, groups=2),
        lrn("norm2"),
        max_pool(3, 2, "pool2"),
        *conv_relu(384, 3, "conv3", "relu3", pad=1),
        *conv_relu(384, 3, "conv4", "relu4", pad=1, groups=2),
        *conv_relu(256, 3, "conv5", "relu5", pad=1, groups=2),
        max_pool(3, 2, "pool5"),
    ]


def AlexNet(  # noqa: N802
    *,
    include_top: bool = True,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (227, 227, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    name: str = "alexnet",
) -> keras.Sequential:
    """AlexNet, the classifier.

    Args:
        include_top: whether fc6, fc7, fc8 follow pool5.
        weights: a `.h5` of the converter, a `.caffemodel`, or the name of a published
            model (`keras-fcn models`); None for random weights.
        input_shape: (height, width, channels).
        classes: outputs of fc8. Where the file has another number, fc8 keeps its
            random weights.
        classifier_activation: `"softmax"`, another activation, or None for logits.
        name: the model's name.

    Raises:
        CaffeError: the weights do not fit.
    """
    layers = [Input(input_shape, name="data"), *_features()]
    if include_top:
        layers += classifier(classes)
    model = CaffeSequential(layers, name=name)
    head = "fc8" if include_top else None
    return finish(model, weights, head, classifier_activation, _PREPROCESSING)
