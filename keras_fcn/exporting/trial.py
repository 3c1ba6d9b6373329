"""What an export needs, found out before hours of training."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.exporting.exporting import export
from keras_fcn.exporting.formats import FILES, FORMATS

__all__ = ["check_formats", "try_exports"]

_ALWAYS = ("keras", "saved_model")
"""Forms that every network has."""


def check_formats(formats: Iterable[str]) -> None:
    """Check names of formats.

    Raises:
        ValueError: there is no such format.
    """
    for name in formats:
        if name not in FORMATS:
            raise ValueError(f"`exports` are of {sorted(FORMATS)}. Received: {name!r}")


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
