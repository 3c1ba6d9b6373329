"""Caffe on disk <-> plain arrays. No Caffe, no TensorFlow, no Keras.

    import convert

    network = convert.load_network("deploy.prototxt")
    weights = convert.load_weights("net.caffemodel")
    report = convert.convert("deploy.prototxt", "net.caffemodel", "net.h5")

Names are loaded when first used, so that ``import convert`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from convert.lazy import lazy
from convert.version import __version__

if TYPE_CHECKING:
    from convert.api import load_weights, write_caffemodel
    from convert.assembly import load_network
    from convert.conversion import ConversionReport, convert, list_layers
    from convert.errors import (
        CaffeError,
        CaffeWarning,
        NetworkError,
        PrototxtError,
        UnsupportedLayerError,
        WeightsError,
    )
    from convert.network import Blob, Layer, Network
    from convert.solverstate import SolverState, load_solverstate

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
    "api": ("load_weights", "write_caffemodel"),
    "conversion": ("ConversionReport", "convert", "list_layers"),
    "errors": (
        "CaffeError",
        "CaffeWarning",
        "NetworkError",
        "PrototxtError",
        "UnsupportedLayerError",
        "WeightsError",
    ),
    "assembly": ("load_network",),
    "network": ("Blob", "Layer", "Network"),
    "solverstate": ("SolverState", "load_solverstate"),
}

__getattr__, __dir__ = lazy(__name__, _HOMES)
