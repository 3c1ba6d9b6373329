"""Causes of differences, tested rather than guessed: `explain`.

A new one is one function under `@hypothesis` in the module of its family.
"""

from keras_fcn.verifying.causes import (  # noqa: F401  each registers its hypotheses
    activations,
    alignment,
    inputs,
    kernels,
    normalizing,
    order,
    weights,
    windows,
)
from keras_fcn.verifying.causes.registry import HYPOTHESES, Hypothesis
from keras_fcn.verifying.causes.search import explain

__all__ = ["HYPOTHESES", "Hypothesis", "explain"]
