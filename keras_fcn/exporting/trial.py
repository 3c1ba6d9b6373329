"""What an export needs, found out before hours of training."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.exporting.exporting import export
from keras_fcn.exporting.formats import FILES, FORMATS

__all__ = ["require_packages", "try_exports"]

_PACKAGES: Mapping[str, tuple[str, ...]] = {"onnx": ("tf2onnx", "onnx")}
_ALWAYS = ("keras", "saved_model")
"""Forms that every network has."""


def require_packages(formats: Iterable[str]) -> None:
    """Check names of formats, and that the packages that write them are there.

    Raises:
        ValueError: there is no such format.
        CaffeError: a package is not installed.
    """
    for name in formats:
        if name not in FORMATS:
            raise ValueError(f"`exports` are of {sorted(FORMATS)}. Received: {name!r}")
        missing = [package for package in _PACKAGES.get(name, ()) if find_spec(package) is None]
        if missing:
            raise CaffeError(
                f"the export to {name} needs {' and '.join(missing)}: pip install "
                f'"keras-fcn[{name}]"; or leave this export out, a run that goes on may have others'
            )


def try_exports(
    model: keras.Model, formats: Iterable[str], options: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write a network in the forms that not every network has, to nowhere.

    Args:
        model: the network, whatever its weights.
        formats: names of formats.
        options: format -> the export's options.

    Raises:
        CaffeError: it has no such form; the message says which layer is in the way.
    """
    for name in formats:
        if name in _ALWAYS:
            continue
        with tempfile.TemporaryDirectory(prefix="keras_fcn_export_") as folder:
            try:
                export(model, Path(folder) / FILES[name], name, **options.get(name, {}))
            except ValueError as error:
                raise CaffeError(f"cannot export this network to {name}: {error}") from error
