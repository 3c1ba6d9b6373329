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
    from keras_fcn.models import CaffeNet, CaffeNetFCN, LeNet, LeNetFCN
    from keras_fcn.prediction import predict
    from keras_fcn.preprocessing import deprocess, preprocess_input
    from keras_fcn.surgery import to_fully_convolutional
    from keras_fcn.weights import LoadReport, load_weights

_HOMES = {
    "keras_fcn.inspection": ("blobs",),
    "keras_fcn.builder": ("from_caffe", "register"),
    "keras_fcn.decoding": ("decode_predictions",),
    "keras_fcn.exporting": ("export",),
    "keras_fcn.heads": ("replace_head",),
    "keras_fcn.layers": ("PixelwiseSoftmax",),
    "keras_fcn.models": ("CaffeNet", "CaffeNetFCN", "LeNet", "LeNetFCN"),
    "keras_fcn.prediction": ("predict",),
    "keras_fcn.preprocessing": ("deprocess", "preprocess_input"),
    "keras_fcn.surgery": ("to_fully_convolutional",),
    "keras_fcn.weights": ("LoadReport", "load_weights"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "CaffeNet",
    "CaffeNetFCN",
    "LeNet",
    "LeNetFCN",
    "LoadReport",
    "PixelwiseSoftmax",
    "__version__",
    "blobs",
    "decode_predictions",
    "deprocess",
    "export",
    "from_caffe",
    "load_weights",
    "predict",
    "preprocess_input",
    "register",
    "replace_head",
    "to_fully_convolutional",
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
