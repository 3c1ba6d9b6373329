"""Passes of a model on PyTorch, which makes no program for a size."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_fcn.core.compiled import is_known
from keras_fcn.core.folding import Fold, folded_pass
from keras_fcn.graph.calls import calls, is_graph
from keras_fcn.kept import layers_state, same_state
from keras_fcn.layers._spatial import conv


class TorchPasses:
    """Passes without gradients, which PyTorch runs operation by operation.

    Stock convolutions are run as ours, see `keras_fcn.layers._spatial`. Their kernels are laid
    out once as PyTorch reads them, filter by filter; shape and numbers stay. See
    `keras_fcn.core.compiled`.

    Attributes:
        traces: how many programs have been made: none.
    """

    def __init__(self, model: keras.Model) -> None:
        self.traces = 0
        self._model = model
        self._state: list[Any] = []
        self._known = False
        self._direct: tuple[_Direct, ...] = ()

    def __call__(
        self, inputs: Any, training: bool, any_layers: bool = False, kept_only: bool = False
    ) -> Any:
        """The outputs; None where gradients or more may be asked for.

        Args:
            inputs: arrays or tensors, in the model's structure.
            training: as layers get it.
            any_layers: whether nothing but the outputs is asked for.
            kept_only: use what is there; nothing is made.
        """
        import torch

        if kept_only or training or (torch.is_grad_enabled() and not any_layers):
            return None
        self._follow_changes()
        if not self._known and not any_layers:
            return None
        with torch.no_grad():
            if not self._known:
                return self._model(inputs, training=False)
            inputs = keras.tree.map_structure(ops.convert_to_tensor, inputs)
            return folded_pass(self._model, self._direct, inputs)

    def _follow_changes(self) -> None:
        model = self._model
        if same_state(self._state, layers_state(model)):
            return
        self._known = is_graph(model) and is_known(model)
        self._direct = tuple(_directs(model)) if self._known else ()
        for direct in self._direct:
            _lay_out(direct.layer.kernel.value)
        self._state = layers_state(model)


class _Direct(Fold):
    """A stock convolution without Keras' copies of its input; nothing is folded into it."""

    def __call__(self, x: Any) -> Any:
        layer = self.layer
        x, kernel = (ops.cast(value, layer.compute_dtype) for value in (x, layer.kernel))
        bias = ops.cast(layer.bias, layer.compute_dtype) if layer.use_bias else None
        outputs = conv(x, kernel, layer.strides, layer.padding, layer.dilation_rate, bias)
        return outputs if layer.activation is None else layer.activation(outputs)


def _lay_out(kernel: Any) -> None:
    """Put a kernel (height, width, in, out) in the order in which PyTorch reads it."""
    import torch

    filters = kernel.data.permute(3, 2, 0, 1)
    kernel.data = filters.contiguous(memory_format=torch.channels_last).permute(2, 3, 1, 0)


def _directs(model: keras.Model) -> list[_Direct]:
    found = {id(call.operation): call.operation for call in calls(model)}
    return [_Direct(layer, (), 1) for layer in found.values() if _is_stock(layer)]


def _is_stock(layer: Any) -> bool:
    return type(layer) is keras.layers.Conv2D and layer.data_format == "channels_last"
