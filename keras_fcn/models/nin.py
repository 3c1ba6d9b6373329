"""NIN, the Network in Network for ImageNet.

Lin, Chen and Yan, "Network In Network", 2014; the authors' `nin_imagenet`.
"""

from __future__ import annotations

from pathlib import Path

import keras
from keras.layers import Dropout, Input, Layer

from keras_fcn.core.model import CaffeSequential
from keras_fcn.layers._stock import Flatten
from keras_fcn.models.blocks import conv_relu, global_average, max_pool
from keras_fcn.models.construction import finish
from keras_fcn.preprocessing import Preprocessing

_PREPROCESSING = Preprocessing(size=(256, 256), crop=(224, 224))


def _features() -> list[Layer]:
    """conv1 to pool3: each convolution's windows look through two further 1 x 1 layers."""
    return [
        *conv_relu(96, 11, "conv1", "relu0", stride=4),
        *conv_relu(96, 1, "cccp1", "relu1"),
        *conv_relu(96, 1, "cccp2", "relu2"),
        max_pool(3, 2, "pool0"),
        *conv_relu(256, 5, "conv2", "relu3", pad=2),
        *conv_relu(256, 1, "cccp3", "relu5"),
        *conv_relu(256, 1, "cccp4", "relu6"),
        max_pool(3, 2, "pool2"),
        *conv_relu(384, 3, "conv3", "relu7", pad=1),
        *conv_relu(384, 1, "cccp5", "relu8"),
        *conv_relu(384, 1, "cccp6", "relu9"),
        max_pool(3, 2, "pool3"),
    ]


def _top(classes: int) -> list[Layer]:
    return [
        Dropout(0.5, name="drop"),
        *conv_relu(1024, 3, "conv4-1024", "relu10", pad=1, top="conv4"),
        *conv_relu(1024, 1, "cccp7-1024", "relu11", top="cccp7"),
        *conv_relu(classes, 1, "cccp8-1024", "relu12", top="cccp8"),
        global_average("pool4"),
        Flatten(name="flatten"),
    ]


def NIN(  # noqa: N802
    *,
    include_top: bool = True,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    name: str = "nin",
) -> keras.Sequential:
    """NIN, the classifier.

    The last pooling covers the whole map, which at 224 x 224 is Caffe's 6 x 6 window,
    so that other sizes work, too.

    Args:
        include_top: whether conv4-1024 to pool4 follow pool3.
        weights: a `.h5` of the converter, a `.caffemodel`, or the name of a published
            model (`keras-fcn models`); None for random weights.
        input_shape: (height, width, channels); None where any size will do.
        classes: channels of cccp8-1024. Where the file has another number, cccp8-1024
            keeps its random weights.
        classifier_activation: `"softmax"`, another activation, or None for logits.
        name: the model's name.

    Raises:
        CaffeError: the weights do not fit.
    """
    layers = [Input(input_shape, name="data"), *_features()]
    if include_top:
        layers += _top(classes)
    model = CaffeSequential(layers, name=name)
    head = "cccp8-1024" if include_top else None
    return finish(model, weights, head, classifier_activation, _PREPROCESSING)
