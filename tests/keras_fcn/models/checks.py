"""What the tests of the constructors share."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

import numpy as np
import pytest

import keras_fcn
from convert.network import Network
from tests.keras_fcn.models.cases import CASES


def marked(names: Iterable[str], slow: Container[str]) -> list[Any]:
    """Parameters of a test, those that take long marked as slow."""
    return [pytest.param(name, marks=pytest.mark.slow) if name in slow else name for name in names]


def construct(name: str, **options: Any) -> Any:
    case = CASES[name]
    return getattr(keras_fcn, case.constructor or name)(**case.options, **options)


def weight_shapes(network: Network) -> dict[str, list[tuple[int, ...]]]:
    """Keras layer -> shapes of its weights, for a network in Caffe's terms."""
    shapes = {}
    for layer in network.layers:
        if layer.weight_shapes:
            blobs = [np.broadcast_to(np.float32(0), shape) for shape in layer.weight_shapes]
            shapes[layer.keras_name] = [weight.shape for weight in layer.keras_weights(blobs)]
    return shapes
