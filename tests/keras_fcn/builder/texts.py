"""Nets written in a test, and numeric gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

import keras_fcn
from tests.keras_fcn.caffe import writer


def build(folder: Path, text: str, weights: Path | None = None, **state: Any) -> keras.Model:
    """The model of a prototxt's text."""
    path = folder / "net.prototxt"
    path.write_text(text)
    return keras_fcn.from_caffe(path, weights, **state)


def caffemodel(folder: Path, blobs: Mapping[str, Sequence[np.ndarray]], kind: str) -> Path:
    """A weights file whose layers, all of one type, carry blobs but no parameters.

    Each reads the input, so that they could be a network.
    """
    head = 'name: "{0}" type: "{1}" bottom: "data" top: "{0}"'
    layers = [
        writer.layer(head.format(name, kind), [writer.blob(blob) for blob in arrays])
        for name, arrays in blobs.items()
    ]
    path = folder / "weights.caffemodel"
    path.write_bytes(writer.net(data(1, 1, 1, 1), layers))
    return path


def data(*shape: int, name: str = "data") -> str:
    """An Input layer, sizes in Caffe's order."""
    dims = " ".join(f"dim: {size}" for size in shape)
    return (
        f'layer {{ name: "{name}" type: "Input" top: "{name}" '
        f"input_param {{ shape {{ {dims} }} }} }}\n"
    )


def numeric_gradient(
    function: Callable[[np.ndarray], np.ndarray], x: np.ndarray, top: np.ndarray, step: float = 1e-4
) -> np.ndarray:
    """The gradient of sum(function(x) * top), by central differences."""
    gradient = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        moved = [x.copy(), x.copy()]
        moved[0][place] += step
        moved[1][place] -= step
        after, before = (float(np.sum(function(m) * top)) for m in moved)
        gradient[place] = (after - before) / (2 * step)
    return gradient
