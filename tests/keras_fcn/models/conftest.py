"""Fixtures of the constructors' tests."""

from __future__ import annotations

import keras
import pytest


@pytest.fixture
def zeros(monkeypatch):
    """Weights that cost nothing, where only their shapes count."""
    glorot = keras.initializers.GlorotUniform
    monkeypatch.setattr(
        glorot, "__call__", lambda self, shape, dtype=None: keras.ops.zeros(shape, dtype)
    )
