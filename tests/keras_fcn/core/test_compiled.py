"""Compiled passes: the numbers of uncompiled ones, one trace for all sizes, nothing stale."""

from __future__ import annotations

import copy
import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_fcn
from keras_fcn.core.compiled import CompiledPasses
from keras_fcn.core.model import CaffeFunctional

NET = """layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 2 dim: 6 dim: 6 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param {
  num_output: 3 kernel_size: 3 weight_filler { type: "gaussian" std: 1 } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "relu" }
layer { name: "drop" type: "Dropout" bottom: "relu" top: "drop" }
"""


@pytest.fixture
def build(tmp_path):
    def write(text=NET, **arguments):
        (tmp_path / "net.prototxt").write_text(text)
        return keras_fcn.from_caffe(tmp_path / "net.prototxt", seed=3, **arguments)

    return write


@pytest.fixture
def traces(monkeypatch):
    """A list that gets an element for each trace."""
    made = []
    traced = CompiledPasses._traced

    def counted(self, *arguments):
        function = traced(self, *arguments)
        made.append(function)
        return function

    monkeypatch.setattr(CompiledPasses, "_traced", counted)
    return made


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("f4")


def by_layers(model, x, training=False):
    """What the layers give one after the other."""
    with tf.GradientTape():
        return np.asarray(model(x, training=training))


class Foreign(keras.layers.Layer):
    """Adds in numpy how often it has been called."""

    calls = 0

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)

    def call(self, x):
        self.calls += 1
        return tf.constant(x.numpy() + self.calls)


def test_a_second_pass_traces_nothing(build, traces):
    model = build()
    for count in (1, 3, 2):
        x = normal(count, 6, 6, 2, seed=count)
        np.testing.assert_allclose(model(x), by_layers(model, x), atol=1e-6)
        np.testing.assert_array_equal(model(tf.constant(x)), model.predict(x, verbose=0))
    assert len(traces) == 2  # predict's are apart, as it compiles layers of others too
    for count, made in ((2, 2), (1, 3), (3, 3)):
        blobs = keras_fcn.blobs(model, normal(count, 2, 6, 6))
        assert blobs["conv"].shape == (count, 3, 4, 4)
        assert len(traces) == made  # what is asked for once is not compiled
    assert all(function is not None for function in traces)


def test_all_sizes_share_a_trace(build, traces):
    model = build()
    for side in range(6, 106):
        x = normal(1, side, 2 * side, 2, seed=side)
        assert model.predict(x, verbose=0).shape == (1, side - 2, 2 * side - 2, 3)
    np.testing.assert_allclose(model.predict(x, verbose=0), by_layers(model, x), atol=1e-6)
    assert len(traces) == 1
    for side in (6, 7, 8):
        x = normal(1, side, side, 2)
        np.testing.assert_allclose(model(x), by_layers(model, x), atol=1e-6)
    assert len(traces) == 2  # the first pass of a kind is not compiled


class Centre(keras.layers.Layer):
    """Needs to know the size of images."""

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)

    def call(self, x):
        return x - np.zeros(x.shape[1:], "f4")


def test_layers_that_need_sizes_have_a_trace_for_the_first_and_for_those_in_use(traces):
    inputs = keras.Input((None, None, 2))
    model = CaffeFunctional(inputs, Centre()(keras.layers.ReLU()(inputs)))
    for side in (*range(2, 102), 3, 100, 101, 100):
        x = normal(1, side, side, 2, seed=side)
        np.testing.assert_array_equal(model.predict(x, verbose=0), x.clip(0))
    assert [trace is None for trace in traces].count(True) == 1  # the one for any size
    assert len(traces) == 1 + 6 + 2  # the first six sizes, and two that came again


def test_sizes_that_a_network_cannot_take_are_refused_as_before(build):
    model = build()
    model.predict(normal(1, 9, 9, 2), verbose=0)
    with pytest.raises(ValueError, match="conv"):
        model.predict(normal(1, 2, 9, 2), verbose=0)
    assert model.predict(normal(1, 3, 9, 2), verbose=0).shape == (1, 1, 7, 3)


@pytest.mark.slow
def test_memory_does_not_grow_by_sizes():
    model = keras_fcn.MobileNet(input_shape=(None, None, 3))
    held = []
    for side in range(64, 164):
        model.predict(normal(1, side, side, 3), verbose=0)
        gc.collect()
        held.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4096)
    assert held[-1] - held[9] < 60e6  # ten megabytes a size were held before
    assert model._passes.traces == 1


@pytest.mark.parametrize("show", [keras_fcn.blobs, None])
def test_changes_are_seen(build, show):
    model = build()
    x = normal(1, 6, 6, 2)

    def relu():
        if show is None:
            return np.asarray(model(x))
        return np.moveaxis(show(model, np.moveaxis(x, -1, 1))["drop"], 1, -1)

    before = relu()
    kernel = model.get_layer("conv").kernel
    kernel.assign(-kernel.value)
    after = relu()
    assert np.abs(after - before).max() > 0.1
    np.testing.assert_allclose(after, by_layers(model, x), atol=1e-6)
    model.get_layer("relu").negative_slope = 1.0
    linear = relu()
    assert linear.min() < -0.1
    np.testing.assert_allclose(linear, by_layers(model, x), atol=1e-6)


def test_blobs_follow_layers_that_are_taken_off():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="a")])
    model.add(keras.layers.Dense(2, name="b"))
    x = normal(1, 4)
    assert {"a", "b"} <= set(keras_fcn.blobs(model, x))
    model.pop()
    assert "b" not in keras_fcn.blobs(model, x)


def test_random_layers_stay_random(build):
    model = build(phase="TRAIN")
    x = normal(1, 2, 6, 6)
    first, second = (keras_fcn.blobs(model, x)["drop"] for _ in range(2))
    assert (first != second).any()
    kept = first != 0
    np.testing.assert_allclose(first[kept], 2 * keras_fcn.blobs(model, x)["relu"][kept], rtol=1e-5)


def test_layers_of_others_run_uncompiled(traces):
    inputs = keras.Input((3,))
    model = CaffeFunctional(inputs, Foreign(name="own")(inputs))
    for call in range(1, 4):
        x = normal(1, 3, seed=call)
        np.testing.assert_allclose(model(x), x + 2 * call - 1, atol=1e-6)
        np.testing.assert_allclose(keras_fcn.blobs(model, x)["own"], x + 2 * call, atol=1e-6)
    assert not any(traces)


def test_masks_and_losses_are_as_without():
    inputs = keras.Input((4, 2))
    masked = CaffeFunctional(inputs, keras.layers.Masking(0.0)(inputs))
    x = normal(1, 4, 2)
    x[:, 2] = 0
    for _ in range(2):
        assert masked(x)._keras_mask.numpy().tolist() == [[True, True, False, True]]
    dense = keras.layers.Dense(2, activity_regularizer="l2")
    punished = CaffeFunctional(inputs, dense(inputs))
    for _ in range(2):
        punished(x)
        assert float(punished.losses[0]) > 0


def test_gradients_and_scopes_are_keras_own(build, traces):
    model = build()
    x = tf.constant(normal(2, 6, 6, 2))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(model(x))
    assert tape.gradient(total, model.trainable_variables[0].value) is not None
    symbolic = keras.Input((6, 6, 2))
    assert keras.Model(symbolic, model(symbolic)).output_shape == (None, 4, 4, 3)
    graph = tf.function(lambda y: model(y))(x)
    zeros = [tf.zeros(v.shape) for v in model.trainable_variables]
    stateless, _ = model.stateless_call(
        zeros, [v.value for v in model.non_trainable_variables], x, training=False
    )
    assert not traces
    assert np.abs(stateless).max() == 0
    np.testing.assert_allclose(graph, model(x), atol=1e-6)
    model.compile(loss="mse", run_eagerly=True)
    before = len(traces)
    model(x)
    assert len(traces) == before


def test_inputs_in_any_form():
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b", dtype="int32")
    model = CaffeFunctional([a, b], keras.layers.Subtract()([a, keras.ops.cast(b, "float32")]))
    x, y = normal(3, 2), np.arange(6).reshape(3, 2)
    for given in ([x, y], (x, y), {"b": y, "a": x}, [x.astype("f8"), y.astype("i4")]):
        for count in (3, 1, 0):
            cut = keras.tree.map_structure(lambda z, n=count: z[:n], given)
            np.testing.assert_array_equal(model(cut), (x - y)[:count].astype("f4"))


def test_several_inputs_and_data_sets_are_predicted_directly(monkeypatch):
    a, b = keras.Input((None, 2), name="a"), keras.Input((None, 2), name="b", dtype="int32")
    model = CaffeFunctional([a, b], keras.layers.Subtract()([a, keras.ops.cast(b, "float32")]))
    one = CaffeFunctional(a, keras.layers.ReLU()(a))
    monkeypatch.setattr(keras.Model, "predict", None)
    x, y = normal(7, 3, 2), np.arange(42).reshape(7, 3, 2)
    sets = tf.data.Dataset.from_tensor_slices
    for given in ([x, y], (x.astype("f8"), y), {"b": y, "a": x}):
        found = model.predict(given, batch_size=3, verbose=0)
        np.testing.assert_array_equal(found, (x - y).astype("f4"))
    pairs = sets(((x, y.astype("i4")), np.zeros(7))).batch(3)
    np.testing.assert_array_equal(model.predict(pairs, verbose=0), (x - y).astype("f4"))
    for given in (sets(x).batch(4), sets((x, x, x)).batch(4), sets(x).batch(4).repeat(1)):
        np.testing.assert_array_equal(one.predict(given, verbose=0), x.clip(0))
    np.testing.assert_array_equal(one.predict(tf.constant(x), verbose=0), x.clip(0))
    with pytest.raises(ValueError, match="no batch"):
        one.predict(sets(x).batch(4).take(0), verbose=0)
    assert (model._passes.traces, one._passes.traces) == (1, 1)


def test_mixed_precision():
    inputs = keras.Input((3,))
    dense = keras.layers.Dense(2, dtype="mixed_float16")
    model = CaffeFunctional(inputs, dense(inputs))
    x = normal(2, 3)
    assert model(x).dtype == "float16"
    np.testing.assert_allclose(model(x), by_layers(model, x), rtol=1e-2)


def test_saved_copied_and_collected(build, tmp_path):
    model = build()
    x = normal(1, 2, 6, 6)
    wanted = keras_fcn.blobs(model, x)["drop"]
    count = len(model.variables)
    model.save(tmp_path / "a.keras")
    for other in (keras.models.load_model(tmp_path / "a.keras"), copy.deepcopy(model)):
        assert len(other.variables) == count
        np.testing.assert_array_equal(keras_fcn.blobs(other, x)["drop"], wanted)
        other.get_layer("conv").kernel.assign(0 * other.get_layer("conv").kernel.value)
        assert np.abs(keras_fcn.blobs(other, x)["conv"]).max() == 0
    np.testing.assert_array_equal(keras_fcn.blobs(model, x)["drop"], wanted)
    gone = weakref.ref(model), weakref.ref(model._probes.probes[-1])
    del model, other
    gc.collect()
    assert gone[0]() is None
    assert gone[1]() is None


def test_threads_agree(build):
    model = build()
    images = [normal(1, 2, side, side) for side in (6, 7, 8, 9)] * 4

    def both(x):
        return keras_fcn.blobs(model, x)["drop"], model.predict(np.moveaxis(x, 1, -1), verbose=0)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(both, images))
    for x, (blob, prediction) in zip(images, found, strict=True):
        np.testing.assert_array_equal(blob, both(x)[0])
        np.testing.assert_array_equal(prediction, both(x)[1])


def test_the_layer_that_fails_tells(build):
    embed = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 } } }
    layer { name: "e" type: "Embed" bottom: "data" top: "e"
      embed_param { num_output: 2 input_dim: 3 } }"""
    model = build(embed)
    good, bad = np.zeros(2, "f4"), np.full(2, 9, "f4")
    assert model(good).shape == (2, 2)
    with pytest.raises(tf.errors.InvalidArgumentError):
        by_layers(model, bad)
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        model(bad)
    assert "Graph execution" not in str(caught.value)
