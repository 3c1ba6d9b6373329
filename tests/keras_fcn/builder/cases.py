"""Run one layer case through ``from_caffe`` and compare it with what Caffe gave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

import convert
import keras_fcn
from keras_fcn.graph.ends import input_names, output_names
from keras_fcn.inference.inspection import keras_inputs, to_caffe_order, to_channels_last
from tests.golden import LayerCase, assert_close
from tests.keras_fcn.gradients import pass_gradients
from tests.keras_fcn.layers.checks import reloaded, restore, values_of


def build(case: LayerCase) -> keras.Model:
    return keras_fcn.from_caffe(case.prototxt, case.weights, **case.state)


def tolerance(case: LayerCase) -> float:
    """Of the blob's largest value: single layers 1e-5, chains 1e-4."""
    return 1e-5 if len(case.case["layers"]) == 1 else 1e-4


def assert_forward(model: keras.Model, case: LayerCase) -> dict[str, np.ndarray]:
    """Every blob of a case, after a second pass too where there is one; returns the first's."""
    blobs = keras_fcn.blobs(model, case.inputs)
    for name, expected in case.outputs.items():
        assert_close(blobs[name], expected, tolerance(case))
    if case.second_outputs:
        again = keras_fcn.blobs(model, case.inputs)
        for name, expected in case.second_outputs.items():
            assert_close(again[name], expected, tolerance(case))
    return blobs


def assert_reloaded(
    model: keras.Model, case: LayerCase, folder: Path, compiled: bool = True
) -> None:
    """A saved and loaded model has the same weights, and gives Caffe's numbers, also compiled."""
    again = reloaded(model, folder)
    for weight, old in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, old)
    values = values_of(again)
    assert_forward(again, case)
    if compiled:  # as the second pass for a size is
        restore(again, values)
        assert_forward(again, case)


def assert_exported(model: keras.Model, case: LayerCase, folder: Path) -> None:
    """A SavedModel's outputs have their names, and are the model's."""
    import tensorflow as tf

    keras_fcn.export(model, folder / "served")
    serve = tf.saved_model.load(folder / "served").signatures["serving_default"]
    tensors = [tf.constant(array) for array in keras_inputs(model, case.inputs)]
    expected = keras.tree.flatten(model(tensors if len(tensors) > 1 else tensors[0]))
    actual = serve(**dict(zip(input_names(model), tensors, strict=True)))
    for value, output in zip(expected, output_names(model), strict=True):
        np.testing.assert_allclose(actual[output], value, rtol=1e-5, atol=1e-6)


def assert_gradients(model: keras.Model, case: LayerCase) -> None:
    """Gradients of inputs and parameters, and what a training pass leaves in the statistics."""
    network = convert.load_network(case.prototxt, **case.state)
    training = case.case.get("phase") == "TRAIN"
    inputs = [to_channels_last(case.inputs[blob.name]) for blob in network.inputs]
    seeds = {key[4:]: seed for key, seed in case.grads.items() if key.startswith("top/")}

    def target(outputs: list[Any]) -> Any:
        tops = {blob.name: output for blob, output in zip(network.outputs, outputs, strict=True)}
        return sum(
            keras.ops.sum(keras.ops.multiply(tops[name], to_channels_last(seed)))
            for name, seed in seeds.items()
        )

    by_input, by_variable = pass_gradients(model, inputs, training, target)
    for blob, gradient in zip(network.inputs, by_input, strict=True):
        expected = case.grads.get(f"in/{blob.name}")
        if expected is not None and seeds:
            gradient = to_channels_last(np.zeros_like(expected)) if gradient is None else gradient
            assert_close(to_caffe_order(gradient), expected, tolerance(case))
    for layer in network.layers if seeds else ():
        if not any(key.startswith(f"param/{layer.name}/") for key in case.grads):
            continue
        arrays = [
            by_variable.get(id(v), np.zeros(v.shape, np.float32))
            for v in _weights(model.get_layer(layer.keras_name))
        ]
        for index, blob in enumerate(layer.params.caffe_blobs(arrays, layer.flattened_channels)):
            if f"param/{layer.name}/{index}" in case.grads:
                key = f"param/{layer.name}/{index}"
                assert_close(blob, case.grads[key], tolerance(case))
    assert_states(model, case, network)


def assert_states(model: keras.Model, case: LayerCase, network: convert.Network) -> None:
    """``after/<layer>/<i>``: statistics after one pass that uses those of the batch."""
    for key, expected in case.grads.items():
        kind, _, rest = key.partition("/")
        if kind == "after":
            name, index = rest.rsplit("/", 1)
            layer = network.layer(name)
            arrays = [np.asarray(v) for v in model.get_layer(layer.keras_name).weights]
            blobs = layer.params.caffe_blobs(arrays, layer.flattened_channels)
            assert_close(blobs[int(index)], expected, tolerance(case))


def _weights(layer: keras.layers.Layer) -> list[Any]:
    """A layer's weights; those that belong to another layer by sharing in their places."""
    return getattr(layer, "used_weights", layer.weights)
