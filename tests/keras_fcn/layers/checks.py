"""What every layer test does: run a layer, differentiate it, save and export it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import onnxruntime
import pytest

import convert
import keras_fcn
from tests.golden import LayerCase, to_caffe_order, to_channels_last

if TYPE_CHECKING:
    from tensorflow.types.experimental import ConcreteFunction

Function = Callable[[np.ndarray], np.ndarray]


def caffe_params(case: LayerCase) -> Any:
    """The typed parameters of the case's last layer."""
    return convert.load_network(case.prototxt, phase=case.case["phase"]).layers[-1].params


def static(layer: keras.Layer, shape: tuple[int | None, ...]) -> ConcreteFunction:
    """The layer as a graph for one shape."""
    import tensorflow as tf

    if not layer.built:
        layer.build(shape)
    spec = tf.TensorSpec(shape, layer.compute_dtype)
    return tf.function(layer.__call__).get_concrete_function(spec)


def dynamic(layer: keras.Layer, channels: int) -> ConcreteFunction:
    """The layer as a graph for any batch, height and width."""
    return static(layer, (None, None, None, channels))


def op_types(function: ConcreteFunction) -> list[str]:
    return [operation.type for operation in function.graph.get_operations()]


def gradients(layer: Callable[[Any], Any], inputs: np.ndarray, top: np.ndarray) -> list[np.ndarray]:
    """Gradients of inputs and trainable weights; inputs and ``top`` in Caffe's order."""
    import tensorflow as tf

    x = tf.constant(to_channels_last(inputs))
    weights = [v.value for v in getattr(layer, "trainable_variables", [])]
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    found = tape.gradient(y, [x, *weights], tf.constant(to_channels_last(top), y.dtype))
    return [to_caffe_order(found[0]), *(gradient.numpy() for gradient in found[1:])]


def model_of(layer: keras.Layer, shape: tuple[int | None, ...]) -> keras.Model:
    inputs = keras.Input(shape, name="data")
    return keras.Model(inputs, layer(inputs))


def assert_config_round_trip(layer: keras.Layer) -> None:
    config = layer.get_config()
    again = type(layer).from_config(config)
    assert again.get_config() == config
    for name in config.keys() - {"dtype", "trainable", "name"}:
        assert hasattr(layer, name), name


def values_of(model: keras.Model) -> list[np.ndarray]:
    """All that a model holds: weights, and states that are no weights."""
    return [keras.ops.convert_to_numpy(variable) for variable in model.variables]


def restore(model: keras.Model, values: list[np.ndarray]) -> None:
    for variable, value in zip(model.variables, values, strict=True):
        variable.assign(value)


def reloaded(model: keras.Model, folder: Path) -> keras.Model:
    """The model after a round trip through a .keras file."""
    path = folder / "model.keras"
    model.save(path)
    return keras.models.load_model(path)


def saved_model(model: keras.Model, folder: Path) -> Function:
    """The model after an export to SavedModel."""
    import tensorflow as tf

    path = folder / "saved_model"
    model.export(path, verbose=False)
    loaded = tf.saved_model.load(path)
    return lambda inputs: loaded.serve(inputs).numpy()


def onnx_model(model: keras.Model, folder: Path) -> Function:
    """The model after an export to ONNX, run by onnxruntime."""
    path = keras_fcn.export(model, folder / "model.onnx", layout="channels_last", check=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, {session.get_inputs()[0].name: inputs})[0]


EXPORTS = pytest.mark.parametrize(
    "export", [pytest.param(saved_model, marks=pytest.mark.slow), onnx_model]
)
"""A SavedModel is the graph that the tests of each layer run, in a file."""


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")
