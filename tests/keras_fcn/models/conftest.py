"""Fixtures of the constructors' tests."""

from __future__ import annotations

import gc

import keras
import pytest


@pytest.fixture(autouse=True)
def _freed():
    """The largest networks take half a gigabyte each, and hold themselves in circles."""
    yield
    gc.collect()


@pytest.fixture
def zeros(monkeypatch):
    """Weights that cost nothing, where only their shapes count."""
    glorot = keras.initializers.GlorotUniform
    monkeypatch.setattr(
        glorot, "__call__", lambda self, shape, dtype=None: keras.ops.zeros(shape, dtype)
    )
