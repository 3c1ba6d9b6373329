"""Layers whose tops are the bottom's memory: what works in place behind one changes both."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_fcn
from keras_fcn.caffe.errors import CaffeError

DATA = """layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 2 dim: 4 dim: 2 dim: 3 } } }
layer { name: "a" type: "Power" bottom: "data" top: "a" power_param { scale: 2 } }
"""
VIEWS = {
    "flatten": 'type: "Flatten"',
    "flatten_axes": 'type: "Flatten" flatten_param { axis: 2 }',
    "reshape": 'type: "Reshape" reshape_param { shape { dim: 0 dim: 3 dim: 2 dim: -1 } }',
    "rows": 'type: "Reshape" reshape_param { shape { dim: -1 dim: 3 } }',
    "concat": 'type: "Concat"',
    "slice": 'type: "Slice"',
    "split": 'type: "Split"',
    "permute": 'type: "Permute" permute_param { order: 0 order: 1 }',
}
COPIES = {
    "dropout": 'type: "Dropout"',
    "permute": 'type: "Permute" permute_param { order: 0 order: 2 order: 1 }',
    "tile": 'type: "Tile" tile_param { tiles: 1 }',
    "crop": 'type: "Pooling" pooling_param { kernel_size: 1 }',
}
X = np.random.default_rng(0).normal(size=(2, 4, 2, 3)).astype("f4")
POSITIVE = np.maximum(2 * X, 0)
RELU = 'layer { name: "relu" type: "ReLU" bottom: "v" top: "v" }\n'
LATER = 'layer { name: "later" type: "Power" bottom: "a" top: "later" power_param { shift: 1 } }\n'
EARLY = LATER.replace("later", "early")


def view(kind, bottom="a", top="v"):
    return f'layer {{ name: "{top}" bottom: "{bottom}" top: "{top}" {kind} }}\n'


@pytest.fixture
def build(tmp_path):
    def write(*texts):
        (tmp_path / "net.prototxt").write_text("".join((DATA, *texts)))
        return keras_fcn.from_caffe(tmp_path / "net.prototxt")

    return write


@pytest.mark.parametrize("kind", VIEWS)
def test_the_bottom_changes_too(build, kind, tmp_path):
    model = build(view(VIEWS[kind]), EARLY, RELU, LATER)
    model.save(tmp_path / "net.keras")
    for net in (model, keras.models.load_model(tmp_path / "net.keras")):
        blobs = keras_fcn.blobs(net, X)
        np.testing.assert_allclose(blobs["a"], POSITIVE)
        np.testing.assert_allclose(blobs["v"].ravel(), POSITIVE.ravel())
        np.testing.assert_allclose(blobs["early"], 2 * X + 1, rtol=1e-6)
        np.testing.assert_allclose(blobs["later"], POSITIVE + 1, rtol=1e-6)


@pytest.mark.parametrize("kind", VIEWS)
def test_a_blob_that_nobody_reads_later(build, kind):
    blobs = keras_fcn.blobs(build(view(VIEWS[kind]), RELU), X)
    np.testing.assert_allclose(blobs["a"], POSITIVE)


@pytest.mark.parametrize("kind", COPIES)
def test_copies_do_not_change(build, kind):
    blobs = keras_fcn.blobs(build(view(COPIES[kind]), RELU, LATER), X)
    np.testing.assert_allclose(blobs["a"], 2 * X)
    np.testing.assert_allclose(blobs["later"], 2 * X + 1, rtol=1e-6)


def test_views_of_views_and_siblings(build):
    texts = (view(VIEWS["rows"], top="u"), view(VIEWS["flatten"]), view(VIEWS["split"], "u", "w"))
    blobs = keras_fcn.blobs(build(*texts, RELU, LATER.replace('"a"', '"w"')), X)
    for name in ("a", "u", "v", "w"):
        np.testing.assert_allclose(blobs[name].ravel(), POSITIVE.ravel())
    assert [blobs[name].shape for name in "auw"] == [(2, 4, 2, 3), (16, 3), (16, 3)]
    np.testing.assert_allclose(blobs["later"], POSITIVE.reshape(16, 3) + 1, rtol=1e-6)


def test_an_inner_product_behind(build):
    product = """layer { name: "ip" type: "InnerProduct" bottom: "a" top: "ip"
      inner_product_param { num_output: 2 weight_filler { type: "gaussian" std: 1 } } }"""
    model = build(view(VIEWS["flatten"]), RELU, product)
    kernel = np.asarray(model.get_layer("ip").kernel).reshape(2, 3, 4, 2)
    expected = np.einsum("nchw,hwco->no", POSITIVE, kernel)
    np.testing.assert_allclose(keras_fcn.blobs(model, X)["ip"], expected, rtol=1e-4)


def test_each_reader_has_its_own_gradient(build):
    """Caffe's Split adds the gradients of its tops, each as it is."""
    model = build(view(VIEWS["flatten"]), RELU, LATER)
    x = tf.constant(np.moveaxis(X, 1, -1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        flat, later = model(x)
        total = tf.reduce_sum(flat) + 3 * tf.reduce_sum(later)
    expected = 2.0 * (X > 0) + 6
    np.testing.assert_allclose(np.moveaxis(tape.gradient(total, x), -1, 1), expected)


def test_a_blob_read_elsewhere_is_not_worked_on_in_place(build):
    with pytest.raises(CaffeError, match="in place on a blob that is read elsewhere"):
        build(view(VIEWS["flatten"]), RELU.replace('"v"', '"a"'))


def random_net(rng):
    """A net of views, copies and in-place layers, and its blobs by NumPy's own views."""
    arrays, readers, texts = {"a": (2 * X).copy()}, {"a": 0}, []
    for index in range(10):
        bottom = str(rng.choice(sorted(arrays)))
        kind = rng.choice([*VIEWS, "copy", "in place", "in place"])
        top = f"b{index}"
        if kind == "in place":
            if readers[bottom]:
                continue
            name = f'name: "{top}" bottom: "{bottom}" top: "{bottom}" type: "Power"'
            texts.append(f"layer {{ {name} power_param {{ scale: -0.5 shift: 1 }} }}\n")
            arrays[bottom] *= np.float32(-0.5)
            arrays[bottom] += 1
            continue
        if kind == "copy":
            texts.append(view('type: "ReLU"', bottom, top))
            arrays[top] = np.maximum(arrays[bottom], 0)
        else:
            shape = arrays[bottom].shape
            sizes = {
                "flatten": (shape[0], -1),
                "flatten_axes": (*shape[:2], -1),
                "reshape": (shape[0], 3, 2, -1),
                "rows": (-1, 3),
            }.get(kind, shape)
            if len(shape) < 3 or arrays[bottom].size // shape[0] % 6:
                continue
            texts.append(view(VIEWS[kind], bottom, top))
            arrays[top] = arrays[bottom].reshape(sizes)
            assert np.shares_memory(arrays[top], arrays[bottom])
        readers[bottom] += 1
        readers[top] = 0
    return texts, arrays


@pytest.mark.parametrize("seed", range(12))
def test_random_nets(build, seed):
    texts, arrays = random_net(np.random.default_rng(seed))
    blobs = keras_fcn.blobs(build(*texts), X)
    for name, expected in arrays.items():
        np.testing.assert_allclose(blobs[name], expected, rtol=1e-5, atol=1e-5, err_msg=name)
