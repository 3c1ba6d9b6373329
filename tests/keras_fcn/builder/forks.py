"""What the tests of fork types share: nets of one layer, and numeric gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import keras_fcn
from tests.golden import assert_close, to_caffe_order, to_channels_last
from tests.keras_fcn.layers.checks import reloaded
from tests.thorough import THOROUGH


def net(folder: Path, layer: str, **inputs: Sequence[int]) -> Path:
    """A prototxt of inputs and one layer that reads them all, in this order; its top is y."""
    text = "".join(
        f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ '
        f"{' '.join(f'dim: {size}' for size in shape)} }} }} }}\n"
        for name, shape in inputs.items()
    )
    bottoms = " ".join(f'bottom: "{name}"' for name in inputs)
    tops = "" if "top:" in layer else 'top: "y"'
    path = folder / "net.prototxt"
    path.write_text(f'{text}layer {{ name: "l" {bottoms} {tops} {layer} }}\n')
    return path


def built(folder: Path, layer: str, **inputs: Sequence[int]) -> keras.Model:
    return keras_fcn.from_caffe(net(folder, layer, **inputs))


def assert_survives(model: keras.Model, fed: Mapping[str, np.ndarray], folder: Path) -> None:
    """The same results after .keras, as a graph, and, when thorough, after SavedModel."""
    wanted = keras_fcn.blobs(model, fed)
    again = keras_fcn.blobs(reloaded(model, folder), fed)
    for name, blob in wanted.items():
        assert_close(again[name], blob, 1e-6)  # one pass may be compiled, the other not
    tensors = [tf.constant(to_channels_last(fed[tensor.name])) for tensor in model.inputs]
    tensors = tensors if len(tensors) > 1 else tensors[0]
    if THOROUGH:
        model.export(folder / "saved", verbose=False)
        loaded = tf.saved_model.load(folder / "saved")  # its variables live as long as it does
        serve = loaded.serve
    else:
        specs = tf.nest.map_structure(
            lambda x: tf.TensorSpec((None, *x.shape[1:]), x.dtype), tensors
        )
        serve = tf.function(model, autograph=False).get_concrete_function(specs)
    outputs = zip(*map(tf.nest.flatten, (serve(tensors), model(tensors))), strict=True)
    for found, output in outputs:
        assert_close(found, output)


def gradients(
    model: keras.Model, fed: Mapping[str, np.ndarray], weights: np.ndarray
) -> dict[str, np.ndarray | None]:
    """Gradients of sum(top * weights) for each input, in Caffe's order; None: none passes."""
    inputs = [tf.constant(to_channels_last(fed[tensor.name])) for tensor in model.inputs]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        top = model(inputs if len(inputs) > 1 else inputs[0])
        loss = tf.reduce_sum(top * to_channels_last(weights))
    found = tape.gradient(loss, inputs)
    return {
        tensor.name: None if g is None else to_caffe_order(tf.convert_to_tensor(g).numpy())
        for tensor, g in zip(model.inputs, found, strict=True)
    }


def numeric_gradient(
    function: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    weights: np.ndarray,
    step: float = 1e-4,
    points: int = 16,
) -> tuple[np.ndarray, np.ndarray]:
    """Central differences of sum(function(x) * weights) at some elements of x.

    Returns:
        The elements' flat indices, and the gradients there, in float64.
    """
    x = x.astype("float64")
    rng = np.random.default_rng(7)
    chosen = rng.choice(x.size, min(points, x.size), replace=False)
    found = []
    for index in chosen:
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved.flat[index] += sign * step
            ends.append((function(moved) * weights).sum())
        found.append((ends[0] - ends[1]) / (2 * step))
    return chosen, np.array(found)


def assert_gradient(
    model: keras.Model,
    reference: Callable[..., np.ndarray],
    fed: Mapping[str, np.ndarray],
    wanted: Sequence[str],
    tolerance: float = 1e-4,
) -> None:
    """The model's gradients are those of the reference, differentiated numerically.

    Args:
        model: the model.
        reference: float64 function of the inputs, in their order.
        fed: the inputs.
        wanted: inputs that a gradient goes to; to others none does.
        tolerance: largest difference, as a part of the largest gradient.
    """
    exact = {name: x.astype("float64") for name, x in fed.items()}
    top = reference(*exact.values())
    weights = np.random.default_rng(3).standard_normal(top.shape).astype("float32")
    found = gradients(model, fed, weights)
    for name, x in fed.items():
        if name not in wanted:
            assert found[name] is None or not found[name].any()
            continue

        def along(moved: np.ndarray, name: str = name) -> np.ndarray:
            return reference(*(moved if key == name else value for key, value in exact.items()))

        chosen, numeric = numeric_gradient(along, x, weights)
        scale = np.abs(found[name]).max()
        assert scale > 0
        np.testing.assert_allclose(
            found[name].flat[chosen], numeric, rtol=0, atol=tolerance * scale
        )
