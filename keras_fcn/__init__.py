"""Caffe networks as trainable Keras models on TensorFlow.

    import keras_fcn

    model = keras_fcn.from_caffe("deploy.prototxt", "net.caffemodel")
    model = keras_fcn.CaffeNetFCN(weights="caffenet.h5")

Names are loaded when first used; Keras knows the layers for
``keras.models.load_model`` as soon as this package and Keras are both imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras_fcn import _registration
from keras_fcn.lazy import lazy
from keras_fcn.version import __version__

if TYPE_CHECKING:
    from keras_fcn.builder import from_caffe, register
    from keras_fcn.core.weights import LoadReport, load_weights
    from keras_fcn.exporting.exporting import export
    from keras_fcn.graph.receptive_fields import ReceptiveField, receptive_field
    from keras_fcn.inference.decoding import decode_predictions
    from keras_fcn.inference.inspection import blobs
    from keras_fcn.inference.prediction import predict
    from keras_fcn.inference.sampling import monte_carlo
    from keras_fcn.inference.segmentation import segment
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
    from keras_fcn.preprocessing import deprocess, preprocess_input
    from keras_fcn.surgery.casting import to_fully_convolutional
    from keras_fcn.surgery.heads import replace_head
    from keras_fcn.surgery.output_strides import with_output_stride
    from keras_fcn.training import fine_tune

_HOMES = {
    "inference.inspection": ("blobs",),
    "builder": ("from_caffe", "register"),
    "inference.decoding": ("decode_predictions",),
    "exporting.exporting": ("export",),
    "surgery.heads": ("replace_head",),
    "layers": ("PixelwiseSoftmax",),
    "models": (
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
    "inference.prediction": ("predict",),
    "preprocessing": ("deprocess", "preprocess_input"),
    "surgery.output_strides": ("with_output_stride",),
    "graph.receptive_fields": ("ReceptiveField", "receptive_field"),
    "inference.sampling": ("monte_carlo",),
    "inference.segmentation": ("segment",),
    "surgery": ("to_fully_convolutional",),
    "training": ("fine_tune",),
    "core.weights": ("LoadReport", "load_weights"),
}

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

__getattr__, __dir__ = lazy(__name__, _HOMES)
