"""Caffe on disk <-> plain arrays. No Caffe, no TensorFlow, no Keras.

    import convert

    network = convert.load_network("deploy.prototxt")
    weights = convert.load_weights("net.caffemodel")
    report = convert.convert("deploy.prototxt", "net.caffemodel", "net.h5")

Names are loaded when first used, so that ``import convert`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras_fcn.lazy import lazy
from keras_fcn.version import __version__

if TYPE_CHECKING:
    from keras_fcn.caffe.blobs.solverstate import SolverState, load_solverstate
    from keras_fcn.caffe.blobs.weights import load_weights, write_caffemodel
    from keras_fcn.caffe.errors import (
        CaffeError,
        CaffeWarning,
        NetworkError,
        PrototxtError,
        UnsupportedLayerError,
        WeightsError,
    )
    from keras_fcn.caffe.keras_hdf5.conversion import ConversionReport, convert, list_layers
    from keras_fcn.caffe.net.assembly import load_network
    from keras_fcn.caffe.net.network import Blob, Layer, Network

__all__ = [
    "Blob",
    "CaffeError",
    "CaffeWarning",
    "ConversionReport",
    "Layer",
    "Network",
    "NetworkError",
    "PrototxtError",
    "SolverState",
    "UnsupportedLayerError",
    "WeightsError",
    "__version__",
    "convert",
    "list_layers",
    "load_network",
    "load_solverstate",
    "load_weights",
    "write_caffemodel",
]

_HOMES = {
    "blobs.solverstate": ("SolverState", "load_solverstate"),
    "blobs.weights": ("load_weights", "write_caffemodel"),
    "errors": (
        "CaffeError",
        "CaffeWarning",
        "NetworkError",
        "PrototxtError",
        "UnsupportedLayerError",
        "WeightsError",
    ),
    "keras_hdf5.conversion": ("ConversionReport", "convert", "list_layers"),
    "net.assembly": ("load_network",),
    "net.network": ("Blob", "Layer", "Network"),
}

__getattr__, __dir__ = lazy(__name__, _HOMES, root="keras_fcn.caffe")
