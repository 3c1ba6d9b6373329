"""predict's direct path, what a model keeps of Caffe, and saving."""

from __future__ import annotations

import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.core.model import CaffeSequential
from tests.golden import layer_case


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    return keras_fcn.LeNetFCN(classes=3)


def images(count, size, seed=0):
    return np.random.default_rng(seed).random((count, *size, 1), np.float32)


@pytest.mark.parametrize(("count", "batch_size"), [(1, None), (5, 2), (4, 4), (70, None)])
def test_predict_equals_the_model(model, count, batch_size):
    x = images(count, (32, 40))
    expected = keras.ops.convert_to_numpy(model(x, training=False))
    actual = model.predict(x, batch_size=batch_size, verbose=0)
    np.testing.assert_allclose(actual, expected, atol=1e-6)


@pytest.mark.slow
def test_predict_at_many_sizes(model):
    for side in range(28, 28 + 40, 2):
        shape = model.predict(images(1, (side, side)), verbose=0).shape
        assert shape == model.compute_output_shape((1, side, side, 1))


def test_predict_uses_new_weights(model):
    x = images(2, (28, 28))
    before = model.predict(x, verbose=0)
    kernel = model.get_layer("ip2-conv").kernel
    old = keras.ops.convert_to_numpy(kernel)
    kernel.assign(old * -1)
    after = model.predict(x, verbose=0)
    kernel.assign(old)
    assert np.abs(before - after).max() > 1e-3
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)


def test_predict_follows_replaced_layers():
    inputs = keras.Input((4,))
    shrinking = CaffeSequential([inputs, keras.layers.Dense(3), keras.layers.Dense(2)])
    x = np.ones((1, 4), np.float32)
    assert shrinking.predict(x, verbose=0).shape == (1, 2)
    shrinking.pop()
    assert shrinking.predict(x, verbose=0).shape == (1, 3)


@pytest.mark.slow
def test_predict_of_datasets_and_with_callbacks(model):
    import tensorflow as tf

    x = images(6, (28, 28))
    expected = model.predict(x, verbose=0)
    dataset = tf.data.Dataset.from_tensor_slices(x).batch(4)
    np.testing.assert_allclose(model.predict(dataset, verbose=0), expected, atol=1e-6)
    seen = []
    callback = keras.callbacks.LambdaCallback(on_predict_batch_end=lambda b, logs: seen.append(b))
    callback.on_predict_batch_end = lambda b, logs=None: seen.append(b)
    np.testing.assert_allclose(
        model.predict(x, callbacks=[callback], verbose=0), expected, atol=1e-6
    )
    assert seen


def test_predict_shows_progress_of_several_batches(model, capsys):
    model.predict(images(3, (28, 28)), batch_size=1)
    assert "3/3" in capsys.readouterr().out


@pytest.mark.parametrize("make", [keras_fcn.LeNet, keras_fcn.LeNetFCN])
def test_saved_and_reloaded(make, tmp_path):
    model = make(classes=5)
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    x = images(2, (28, 28))
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    assert type(again) is type(model)
    assert again.caffe == model.caffe


def test_a_functional_model_keeps_its_blobs(tmp_path):
    case = layer_case("conv_k3")
    model = keras_fcn.from_caffe(case.prototxt, case.weights)
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    assert again.caffe == model.caffe
    assert set(again.caffe.blobs) == {"data", *case.outputs}


_LOADED = """
import importlib, sys
path, *orders = sys.argv[1:]
for order in orders:
    for name in order.split(", "):
        importlib.import_module(name)
    keras = sys.modules["keras"]
    print(keras.models.load_model(path).name)
    # As if nothing was loaded; TensorFlow and what Keras is made of would take seconds.
    keras.saving.get_custom_objects().clear()
    for name in list(sys.modules):
        if name.partition(".")[0] in ("keras", "keras_fcn") and not name.startswith("keras.src"):
            del sys.modules[name]
    sys.meta_path[:] = [x for x in sys.meta_path if not type(x).__module__.startswith("keras_fcn")]
"""


@pytest.mark.slow
def test_load_model_knows_the_layers_in_any_order_of_imports(tmp_path):
    path = tmp_path / "net.keras"
    keras_fcn.LeNetFCN().save(path)
    orders = (
        "keras_fcn, tensorflow, keras",  # the first truly loads them
        "keras, keras_fcn",
        "keras_fcn, keras",
        "keras_fcn, keras.ops",
        "keras_fcn.layers",  # Keras is loaded while a room of ours is half imported
        "keras_fcn.core.batches",
        "keras_fcn.graph.calls",
    )
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, path, *orders],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.split() == ["lenet_fcn"] * len(orders)


def test_import_is_free_of_tensorflow():
    code = "import sys, keras_fcn; print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_models_saved_with_less_information_load():
    assert keras_fcn.core.model.CaffeInfo.from_config({"network": "old"}).network == "old"


def test_every_public_name_exists():
    for name in keras_fcn.__all__:
        assert getattr(keras_fcn, name) is not None


def test_a_sequential_model_builds_itself_at_predict():
    """As Keras' own does: of arrays, of none, and once more when it is built."""
    for count in (3, 0):
        model = CaffeSequential([keras.layers.Flatten(), keras.layers.Dense(2)])
        x = images(count, (4, 4))
        assert model.predict(x, verbose=0).shape == (count, 2)
        assert model.built
    model = CaffeSequential([keras.layers.Flatten(), keras.layers.Dense(2)])
    x = images(3, (4, 4))
    np.testing.assert_allclose(model.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)
    assert CaffeSequential([keras.layers.Dense(2)])(np.ones((3, 4), np.float32)).shape == (3, 2)
