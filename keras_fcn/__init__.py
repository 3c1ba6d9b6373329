"""Caffe networks as trainable Keras models on TensorFlow.

    import keras_fcn

    model = keras_fcn.from_caffe("deploy.prototxt", "net.caffemodel")
    model = keras_fcn.CaffeNetFCN(weights="caffenet.h5")

Names are loaded when first used; Keras knows the layers for
``keras.models.load_model`` as soon as this package and Keras are both imported.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from convert.version import __version__
from keras_fcn import _registration

if TYPE_CHECKING:
    from keras_fcn.builder import from_caffe, register
    from keras_fcn.decoding import decode_predictions
    from keras_fcn.exporting import export
    from keras_fcn.heads import replace_head
    from keras_fcn.inspection import blobs
    from keras_fcn.layers import PixelwiseSoftmax
    from keras_fcn.models import (
        NIN,
        VGG16,
        VGG19,
        AlexNet,
        BayesianSegNet,
        BayesianSegNetBasic,
        CaffeNet,
        CaffeNetFCN,
        DilatedNetCamVid,
        DilatedNetCityscapes,
        DilatedNetFrontEnd,
        DilatedNetKITTI,
        DilatedNetPascalVOC,
        ENet,
        FCN8s,
        FCN8sAtOnce,
        FCN16s,
        FCN32s,
        FCNAlexNet,
        GoogLeNet,
        LeNet,
        LeNetFCN,
        MobileNet,
        MobileNetV2,
        ResNet50,
        ResNet101,
        ResNet152,
        SegNet,
        SegNetBasic,
        SqueezeNet,
        SqueezeNet11,
    )
    from keras_fcn.output_strides import with_output_stride
    from keras_fcn.prediction import predict
    from keras_fcn.preprocessing import deprocess, preprocess_input
    from keras_fcn.receptive_fields import ReceptiveField, receptive_field
    from keras_fcn.sampling import monte_carlo
    from keras_fcn.segmentation import segment
    from keras_fcn.surgery import to_fully_convolutional
    from keras_fcn.training import fine_tune
    from keras_fcn.weights import LoadReport, load_weights

_HOMES = {
    "keras_fcn.inspection": ("blobs",),
    "keras_fcn.builder": ("from_caffe", "register"),
    "keras_fcn.decoding": ("decode_predictions",),
    "keras_fcn.exporting": ("export",),
    "keras_fcn.heads": ("replace_head",),
    "keras_fcn.layers": ("PixelwiseSoftmax",),
    "keras_fcn.models": (
        "BayesianSegNet",
        "BayesianSegNetBasic",
        "ENet",
        "SegNet",
        "SegNetBasic",
        "AlexNet",
        "CaffeNet",
        "CaffeNetFCN",
        "DilatedNetCamVid",
        "DilatedNetCityscapes",
        "DilatedNetFrontEnd",
        "DilatedNetKITTI",
        "DilatedNetPascalVOC",
        "FCN8s",
        "FCN8sAtOnce",
        "FCN16s",
        "FCN32s",
        "FCNAlexNet",
        "GoogLeNet",
        "LeNet",
        "LeNetFCN",
        "MobileNet",
        "MobileNetV2",
        "NIN",
        "ResNet50",
        "ResNet101",
        "ResNet152",
        "SqueezeNet",
        "SqueezeNet11",
        "VGG16",
        "VGG19",
    ),
    "keras_fcn.prediction": ("predict",),
    "keras_fcn.preprocessing": ("deprocess", "preprocess_input"),
    "keras_fcn.output_strides": ("with_output_stride",),
    "keras_fcn.receptive_fields": ("ReceptiveField", "receptive_field"),
    "keras_fcn.sampling": ("monte_carlo",),
    "keras_fcn.segmentation": ("segment",),
    "keras_fcn.surgery": ("to_fully_convolutional",),
    "keras_fcn.training": ("fine_tune",),
    "keras_fcn.weights": ("LoadReport", "load_weights"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "NIN",
    "VGG16",
    "VGG19",
    "AlexNet",
    "BayesianSegNet",
    "BayesianSegNetBasic",
    "CaffeNet",
    "CaffeNetFCN",
    "DilatedNetCamVid",
    "DilatedNetCityscapes",
    "DilatedNetFrontEnd",
    "DilatedNetKITTI",
    "DilatedNetPascalVOC",
    "ENet",
    "FCN8s",
    "FCN8sAtOnce",
    "FCN16s",
    "FCN32s",
    "FCNAlexNet",
    "GoogLeNet",
    "LeNet",
    "LeNetFCN",
    "LoadReport",
    "MobileNet",
    "MobileNetV2",
    "PixelwiseSoftmax",
    "ReceptiveField",
    "ResNet50",
    "ResNet101",
    "ResNet152",
    "SegNet",
    "SegNetBasic",
    "SqueezeNet",
    "SqueezeNet11",
    "__version__",
    "blobs",
    "decode_predictions",
    "deprocess",
    "export",
    "fine_tune",
    "from_caffe",
    "load_weights",
    "monte_carlo",
    "predict",
    "preprocess_input",
    "receptive_field",
    "register",
    "replace_head",
    "segment",
    "to_fully_convolutional",
    "with_output_stride",
]

_registration.follow_keras()


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'keras_fcn' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
