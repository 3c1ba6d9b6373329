"""FCN-AlexNet: CaffeNet cast to a fully convolutional network, and upsampled.

Shelhamer, Long and Darrell, "Fully Convolutional Networks for Semantic Segmentation",
2017; `voc-fcn-alexnet` of `shelhamer/fcn.berkeleyvision.org`.
"""

from __future__ import annotations

from pathlib import Path

from keras.layers import Input

from keras_fcn.core.model import CaffeFunctional
from keras_fcn.layers import Crop
from keras_fcn.layers._stock import ZeroPadding2D
from keras_fcn.models.blocks import cast, cast_classifier, through
from keras_fcn.models.caffenet import features
from keras_fcn.models.construction import finish
from keras_fcn.models.fcn import PREPROCESSING, upscore


def FCNAlexNet(  # noqa: N802
    *,
    weights: str | Path | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    classes: int = 21,
    classifier_activation: str | None = "softmax",
    name: str = "fcn_alexnet",
) -> CaffeFunctional:
    """FCN-AlexNet: CaffeNet's scores, upsampled 32 times.

    Args:
        weights: a `.h5` of the converter, a `.caffemodel`, or the name of a published
            model (`keras-fcn models`); None for random weights, and
            upsampling that is bilinear.
        input_shape: (height, width, channels); None where any size will do.
        classes: classes of a pixel. Where the file has another number, score_fr and
            upscore keep their first weights.
        classifier_activation: `"softmax"`, another activation, or None for logits.
        name: the model's name.

    Returns:
        A functional model; output (batch, height, width, classes).

    Raises:
        CaffeError: the weights do not fit.
    """
    inputs = Input(input_shape, name="data")
    layers = [
        ZeroPadding2D(100, name="conv1_pad"),
        *features(),
        *cast_classifier(6),
        cast(classes, 1, "score_fr"),
        upscore(classes, 32, "upscore", kernel_size=63),
    ]
    x = Crop(2, 18, name="score")([through(inputs, layers), inputs])
    model = CaffeFunctional(inputs, x, name=name)
    heads = ("score_fr", "upscore")
    published = "fcn-alexnet-pascal"
    return finish(model, weights, heads, classifier_activation, PREPROCESSING, published)
