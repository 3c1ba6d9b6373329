"""Batch norms and scales folded into the convolutions before them, in a pass for inference.

The weights stay as they are: factors are made of them whenever the pass runs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from keras_fcn.graph.calls import calls, is_graph
from keras_fcn.layers.batch_norm import BatchNorm, ScaledBatchNorm
from keras_fcn.layers.bn import BN
from keras_fcn.layers.grouped_conv2d import GroupedConv2D
from keras_fcn.layers.known import entry
from keras_fcn.layers.scale import Bias, Scale

__all__ = ["Fold", "folded_pass", "folds_of"]

_LARGE = 1 << 15
"""Elements of a kernel from which on it takes longer to multiply than the map that it makes."""

Affine = Callable[[Any], tuple[Any, Any]]
"""A layer's factor and offset of each channel."""


def _norm(layer: Any) -> tuple[Any, Any]:
    factor = ops.rsqrt(layer.moving_variance + layer.eps)
    return factor, -layer.moving_mean * factor


def _scaled_norm(layer: Any) -> tuple[Any, Any]:
    factor, offset = (layer.gamma * part for part in _norm(layer))
    return factor, offset + layer.beta if layer.use_bias else offset


def _stock_norm(layer: Any) -> tuple[Any, Any]:
    factor = ops.rsqrt(layer.moving_variance + layer.epsilon)
    factor = layer.gamma * factor if layer.scale else factor
    offset = -layer.moving_mean * factor
    return factor, offset + layer.beta if layer.center else offset


def _scale(layer: Any) -> tuple[Any, Any]:
    return layer.scale, layer.bias if layer.use_bias else ops.zeros_like(layer.scale)


_AFFINE: Mapping[type, Affine] = {
    BatchNorm: _norm,
    ScaledBatchNorm: _scaled_norm,
    keras.layers.BatchNormalization: _stock_norm,
    Scale: _scale,
    Bias: lambda layer: (ops.ones_like(layer.bias), layer.bias),
    BN: lambda layer: (layer.scale, layer.shift),
}
_OF_CHANNELS: Mapping[type, Callable[[Any, int], bool]] = {
    BatchNorm: lambda layer, rank: layer.use_global_stats is not False,
    ScaledBatchNorm: lambda layer, rank: layer.use_global_stats is not False,
    keras.layers.BatchNormalization: lambda layer, rank: layer.axis in (-1, rank - 1),
    Scale: lambda layer, rank: layer.axis in (1, 1 - rank) and len(layer.shape or ()) == 1,
    Bias: lambda layer, rank: layer.axis in (1, 1 - rank) and len(layer.shape or ()) == 1,
    BN: lambda layer, rank: layer.mode == "inference" and layer.recorder is None,
}
"""Whether a layer, at inference, is a factor and an offset of each channel."""
_KERNELS: Mapping[type, int] = {
    keras.layers.Conv2D: 1,
    GroupedConv2D: 1,
    keras.layers.DepthwiseConv2D: 2,
}
"""Layer -> the last axes of its kernel, which are the output's channels."""


@dataclass(frozen=True)
class Fold:
    """A layer with a kernel, and those behind it that go into it.

    Attributes:
        layer: the first.
        followers: the others, with what their factors and offsets are.
        axes: the last axes of the kernel, which are the output's channels.
    """

    layer: Any
    followers: tuple[tuple[Any, Affine], ...]
    axes: int

    def __call__(self, x: Any) -> Any:
        """The output of the last of the layers."""
        layer, (factor, offset) = self.layer, self._affine()
        if math.prod(layer.kernel.shape) > _LARGE:
            return ops.add(layer(x) * factor, offset)
        shape = layer.kernel.shape[-self.axes :]
        values = [(layer.kernel, layer.kernel * ops.reshape(factor, shape))]
        if layer.use_bias:
            values.append((layer.bias, layer.bias * factor + offset))
        with keras.StatelessScope(state_mapping=values):
            outputs = layer(x)
        # Not `+`: TensorFlow makes one operation of this and the convolution.
        return outputs if layer.use_bias else ops.add(outputs, offset)

    def _affine(self) -> tuple[Any, Any]:
        (first, affine), *others = self.followers
        factor, offset = affine(first)
        for layer, affine in others:
            own, shift = affine(layer)
            factor, offset = factor * own, offset * own + shift
        return factor, offset


def folds_of(model: keras.Model) -> tuple[Fold, ...]:
    """What can be folded in a pass of a model for inference, which is a graph."""
    if not is_graph(model):
        return ()
    found = list(calls(model))
    times = Counter(id(call.operation) for call in found)
    ends = {id(tensor) for tensor in model.outputs}
    readers: dict[int, list[Any]] = {}
    for call in found:
        for tensor in call.inputs:
            readers.setdefault(id(tensor), []).append(call)

    def alone(call: Any) -> bool:
        policy = getattr(call.operation, "dtype_policy", None)
        plain = policy is not None and (policy.compute_dtype, policy.variable_dtype) == _PLAIN
        return plain and times[id(call.operation)] == 1 and len(call.inputs) == 1

    def followers(call: Any) -> list[tuple[Any, Affine]]:
        chain = []
        while len(call.outputs) == 1 and id(call.outputs[0]) not in ends:
            (tensor,) = call.outputs
            if len(readers.get(id(tensor), ())) != 1:
                break
            (call,) = readers[id(tensor)]
            affine = entry(call.operation, _AFFINE)
            applies = entry(call.operation, _OF_CHANNELS)
            if affine is None or applies is None or not alone(call):
                break
            if not applies(call.operation, len(tensor.shape)):
                break
            chain.append((call.operation, affine))
        return chain

    folds = []
    for call in found:
        axes = entry(call.operation, _KERNELS)
        if axes is None or not alone(call) or not _is_linear(call.operation):
            continue
        if chain := followers(call):
            folds.append(Fold(call.operation, tuple(chain), axes))
    return tuple(folds)


_PLAIN = ("float32", "float32")


def _is_linear(layer: Any) -> bool:
    plain = layer.activation in (None, keras.activations.linear)
    return plain and layer.data_format == "channels_last"


def folded_pass(model: keras.Model, folds: tuple[Fold, ...], inputs: Any) -> Any:
    """The outputs of a model, for inference, with layers folded into others.

    Args:
        model: functional, or sequential and built.
        folds: of `folds_of`.
        inputs: as a call of the model takes them.
    """
    graph = model._functional if isinstance(model, keras.Sequential) else model
    first = {id(fold.layer): fold for fold in folds}
    gone = {id(layer) for fold in folds for layer, _ in fold.followers}

    def runs(operation: Any) -> Any:
        if id(operation) in gone:
            return _unchanged
        if id(operation) in first:
            return first[id(operation)]
        return _for_inference(operation)

    outputs = graph._run_through_graph(graph._standardize_inputs(inputs), runs)
    flat = keras.tree.flatten(outputs)
    return flat[0] if isinstance(outputs, list | tuple) and len(flat) == 1 else outputs


def _unchanged(x: Any, **_: Any) -> Any:
    return x


def _for_inference(operation: Any) -> Any:
    """An operation, told that it is not training where it wants to know."""
    if "training" not in getattr(operation, "_call_context_args", ()):
        return operation

    def call(*args: Any, **kwargs: Any) -> Any:
        return operation(*args, **{**kwargs, "training": False})

    return call
