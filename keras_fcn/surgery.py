"""Net surgery on Keras models: a classifier becomes a fully convolutional network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

from keras_fcn.calls import Call, calls
from keras_fcn.layers import GroupedConv2D, PixelwiseSoftmax
from keras_fcn.output_strides import with_output_stride
from keras_fcn.rebuilding import Rebuild

_CAST = "-conv"
# Layers that treat all positions alike, and work on a map as they do on a vector.
_KEPT_AFTER_FLATTEN = (
    keras.layers.Activation,
    keras.layers.Add,
    keras.layers.BatchNormalization,
    keras.layers.Concatenate,
    keras.layers.Conv2D,
    keras.layers.Dropout,
    keras.layers.ELU,
    keras.layers.LeakyReLU,
    keras.layers.Multiply,
    keras.layers.PReLU,
    keras.layers.ReLU,
    keras.layers.Softmax,
    PixelwiseSoftmax,
)
# Layers that leave the elements of a flattened map in their places.
_ELEMENTWISE = (keras.layers.Activation, keras.layers.Dropout, keras.layers.ReLU)
_KEPT_OF_DENSE = (
    "activation",
    "use_bias",
    "trainable",
    "dtype",
    "kernel_initializer",
    "bias_initializer",
    "kernel_regularizer",
    "bias_regularizer",
    "kernel_constraint",
    "bias_constraint",
)
_Window = tuple[int, int]


def to_fully_convolutional(model: keras.Model, *, output_stride: int | None = None) -> keras.Model:
    """Cast a classifier to a network that takes any image and gives a map of classes.

    The first Dense after Flatten becomes a convolution as large as the map that was
    flattened; each further Dense becomes a 1 x 1 convolution. Global pooling becomes
    pooling over windows of the size of the map it had, so that every cell is what the
    classifier gives on its crop. Weights are carried over, under ``<name>-conv``; all
    other layers keep their names and weights.

    Args:
        model: a classifier of images, sequential or functional, with a Flatten or a
            global pooling layer before its Dense layers, such as ``CaffeNet()`` or
            ``keras.applications.ResNet50()``.
        output_stride: pixels from one cell of the map to the next, where it shall be
            denser than the classifier's own; see :func:`with_output_stride`.

    Returns:
        A new model with its own variables; input (None, None, channels), output (batch,
        rows, columns, classes).

    Raises:
        ValueError: nothing becomes a vector, the size of a map is not known, or a layer
            behind cannot run on a map.
    """
    cast = _Cast(model)
    for call in calls(model):
        cast.take(call)
    fcn = cast.checked()
    return fcn if output_stride is None else with_output_stride(fcn, output_stride)


class _Cast(Rebuild):
    """``vectors``: the old tensors that became maps, and the kernel their Dense needs."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__(model)
        self.vectors: dict[int, _Window] = {}

    def take(self, call: Call) -> None:
        if not call.inputs:
            shape = call.outputs[0].shape
            self.start(call, (None, None, shape[-1]) if len(shape) == 4 else shape[1:])
            return
        windows = [self.vectors[id(x)] for x in call.inputs if id(x) in self.vectors]
        window = max(windows, default=None)
        make = next((m for kind, m in _MAKERS.items() if isinstance(call.operation, kind)), None)
        if make is not None and (windows or not isinstance(call.operation, _ON_VECTORS_ONLY)):
            window = make(self, call, window or (1, 1))
        elif window is None or _works_on_maps(call.operation, window):
            self.apply(call, self.copy(call.operation))
        else:
            raise self.refused(call)
        if window is not None:
            self.vectors.update({id(x): window for x in call.outputs})

    def refused(self, call: Call) -> ValueError:
        return ValueError(
            f"a {type(call.operation).__name__} behind Flatten or global pooling cannot run on a "
            f"map. Received: layer {call.operation.name!r} of {self.model.name!r}"
        )

    def checked(self) -> keras.Model:
        """The new model, if it is a classifier's."""
        if any(self.vectors.get(id(x), (1, 1)) != (1, 1) for x in self.model.outputs):
            raise ValueError(
                "a Dense layer must follow what Flatten makes. "
                f"Received: {self.model.name!r} with outputs {self.model.output_names}"
            )
        if not self.vectors:
            names = [layer.name for layer in self.model.layers]
            raise ValueError(
                "the model needs a Flatten or a global pooling layer before its Dense layers. "
                f"Received: {self.model.name!r} with layers {names}"
            )
        return self.result(f"{self.model.name}_fcn")


def _works_on_maps(operation: Any, window: _Window) -> bool:
    """Whether a layer does on a map what it does on the vector that the map became."""
    if window == (1, 1):
        return isinstance(operation, _KEPT_AFTER_FLATTEN)
    softmax = getattr(operation, "activation", None) is keras.activations.softmax
    return isinstance(operation, _ELEMENTWISE) and not softmax


def _flatten(cast: _Cast, call: Call, window: _Window) -> _Window:
    shape = call.inputs[0].shape[1:3]
    if id(call.inputs[0]) in cast.vectors:
        shape = window
    elif len(call.inputs[0].shape) != 4 or None in shape:
        raise ValueError(
            "the height and width that are flattened must be known. "
            f"Received: layer {call.operation.name!r} on {tuple(call.inputs[0].shape)}"
        )
    cast.skip(call)
    return tuple(shape)  # type: ignore[return-value]


def _reshape(cast: _Cast, call: Call, window: _Window) -> _Window:
    """(C,) and (1, 1, C) are the same cell of a map."""
    shape = call.outputs[0].shape[1:]
    if window != (1, 1) or set(shape[:-1]) - {1}:
        raise cast.refused(call)
    cast.skip(call)
    return window


def _dense(cast: _Cast, call: Call, window: _Window) -> _Window:
    config = call.operation.get_config()
    kept = {key: config[key] for key in _KEPT_OF_DENSE}
    settings = {"filters": config["units"], "kernel_size": window, "name": config["name"] + _CAST}
    cast.apply(call, cast.twin(call.operation, GroupedConv2D, kept | settings))
    return 1, 1


def _global_pooling(pooling: type[keras.layers.Layer]) -> Callable[[_Cast, Call, _Window], _Window]:
    def windows(cast: _Cast, call: Call, window: _Window) -> _Window:
        sizes = call.inputs[0].shape[1:3]
        if None in sizes:
            raise ValueError(
                "the height and width that are pooled must be known. "
                f"Received: layer {call.operation.name!r} on {tuple(call.inputs[0].shape)}"
            )
        old = call.operation
        cast.apply(call, pooling(sizes, strides=1, name=old.name, dtype=old.dtype_policy))
        return 1, 1

    return windows


_ON_VECTORS_ONLY = (keras.layers.Dense, keras.layers.Reshape)
_MAKERS: Mapping[type, Callable[[_Cast, Call, _Window], _Window]] = {
    keras.layers.Dense: _dense,
    keras.layers.Flatten: _flatten,
    keras.layers.GlobalAveragePooling2D: _global_pooling(keras.layers.AveragePooling2D),
    keras.layers.GlobalMaxPooling2D: _global_pooling(keras.layers.MaxPooling2D),
    keras.layers.Reshape: _reshape,
}
