"""Keras -> Caffe -> Keras, and what must be the same afterwards."""

from __future__ import annotations

import keras
import numpy as np

import keras_fcn
from keras_fcn.to_caffe import to_caffe


def randomized(model, seed=0):
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if "int" not in str(weight.dtype):  # seeds of random layers
            weight.assign(rng.uniform(0.2, 1, weight.shape) * 0.5)
    return model


def functional(function, *shapes):
    """A model of a function of tensors, with random weights."""
    inputs = [keras.Input(shape, name=name) for shape, name in zip(shapes, "abc", strict=False)]
    return randomized(keras.Model(inputs if len(inputs) > 1 else inputs[0], function(*inputs)))


def round_trip(model, tmp_path, shapes=None):
    """The model as from_caffe reads what was written; a second trip writes the same bytes."""
    keras_fcn.export(model, tmp_path / "net", "caffe") if shapes is None else to_caffe(
        model, shapes
    ).save(tmp_path / "net.prototxt", tmp_path / "net.caffemodel")
    again = keras_fcn.from_caffe(tmp_path / "net.prototxt", tmp_path / "net.caffemodel")
    to_caffe(again).save(tmp_path / "b.prototxt", tmp_path / "b.caffemodel")
    for suffix in ("prototxt", "caffemodel"):
        first, second = ((tmp_path / f"{n}.{suffix}").read_bytes() for n in ("net", "b"))
        if first.startswith(b"#"):  # the card, which export writes
            first = first.partition(b"\n")[2]
        assert first == second
    return again


def assert_same(model, again, sizes=None, batch=1, values=None):
    """Equal outputs, within 1e-5 of the largest, in the same order."""
    rng = np.random.default_rng(1)
    x = values or [
        rng.normal(size=(batch, *(sizes or t.shape[1:]))).astype(np.float32) for t in model.inputs
    ]
    old, new = (
        [np.asarray(y) for y in keras.tree.flatten(m(x if len(x) > 1 else x[0], training=False))]
        for m in (model, again)
    )
    assert len(old) == len(new)
    for a, b in zip(old, new, strict=True):
        assert a.shape == b.shape
        largest = np.abs(a).max(initial=0)
        np.testing.assert_allclose(b, a, rtol=0, atol=1e-5 * largest)


def output_blobs(model):
    """Caffe's names of a model's outputs."""
    places = {place: name for name, place in model.caffe.blobs.items()}
    histories = [tensor._keras_history for tensor in model.outputs]
    return [places[made.operation.name, int(made.tensor_index)] for made in histories]
