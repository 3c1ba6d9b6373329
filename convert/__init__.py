"""Caffe on disk <-> plain arrays. No Caffe, no TensorFlow, no Keras.

    import convert

    network = convert.load_network("deploy.prototxt")
    weights = convert.load_weights("net.caffemodel")
    report = convert.convert("deploy.prototxt", "net.caffemodel", "net.h5")

Names are loaded when first used, so that ``import convert`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

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
    "convert.api": ("load_weights", "write_caffemodel"),
    "convert.conversion": ("ConversionReport", "convert", "list_layers"),
    "convert.errors": (
        "CaffeError",
        "CaffeWarning",
        "NetworkError",
        "PrototxtError",
        "UnsupportedLayerError",
        "WeightsError",
    ),
    "convert.assembly": ("load_network",),
    "convert.network": ("Blob", "Layer", "Network"),
    "convert.solverstate": ("SolverState", "load_solverstate"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'convert' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
