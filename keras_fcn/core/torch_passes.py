"""Passes of a model on PyTorch, which needs no compiling for a size."""

from __future__ import annotations

from typing import Any

import keras


class TorchPasses:
    """Passes without gradients. See `keras_fcn.core.compiled`.

    Attributes:
        traces: how many programs have been made: none.
    """

    def __init__(self, model: keras.Model) -> None:
        self.traces = 0
        self._model = model

    def __call__(
        self, inputs: Any, training: bool, any_layers: bool = False, kept_only: bool = False
    ) -> Any:
        """The outputs; None with `kept_only`, and where the graph for gradients may be asked for.

        Args:
            inputs: arrays or tensors, in the model's structure.
            training: as layers get it.
            any_layers: whether nothing but the outputs is asked for.
            kept_only: use what is there; nothing is made.
        """
        if kept_only or not any_layers:
            return None
        import torch

        with torch.no_grad():
            return self._model(inputs, training=training)
