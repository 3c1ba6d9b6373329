"""The zoo's blobs are Caffe's, by Caffe's names, also of models that were made of the zoo's."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.models.tops import blob_places
from tests.keras_fcn.models.checks import (
    assert_same_blobs,
    last_layers,
    last_tops,
    marked,
    randomize,
)
from tests.keras_fcn.models.classifiers import caffenet_fcn, lenet

OTHERS = {
    "LeNet": (lenet, (28, 28, 1)),
    "LeNetFCN": (lambda side: lenet(side, cast=True), (40, 40, 1)),
    "CaffeNetFCN": (caffenet_fcn, (227, 227, 3)),
}


def defined(name, tmp_path):
    definition, shape = OTHERS[name]
    path = tmp_path / "net.prototxt"
    path.write_text(definition(shape[0]))
    return path, shape


@pytest.mark.parametrize("name", OTHERS)
def test_names_are_those_of_the_network(name, tmp_path, zeros):
    path, _ = defined(name, tmp_path)
    model = getattr(keras_fcn, name)()
    assert last_layers(model) == last_tops(convert.load_network(path))


@pytest.mark.parametrize("name", marked(OTHERS, slow=["CaffeNetFCN"]))
def test_blobs_equal_from_caffe(name, tmp_path):
    path, shape = defined(name, tmp_path)
    reference = keras_fcn.from_caffe(path)
    randomize(reference)
    model = getattr(keras_fcn, name)()
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(reference.get_layer(layer.name).get_weights())
    image = np.random.default_rng(1).normal(0, 40, (2, *shape)).astype("f4")
    assert_same_blobs(model, reference, image)


def blobs_of(model, side=99):
    shape = (2, model.inputs[0].shape[-1], side, side)
    return keras_fcn.blobs(model, np.random.default_rng(0).normal(0, 40, shape).astype("f4"))


def assert_part_of(some, all_of_them):
    for name, blob in some.items():
        np.testing.assert_allclose(blob, all_of_them[name], atol=1e-5 * np.abs(blob).max())


@pytest.fixture(scope="module")
def squeezenet():
    return keras_fcn.SqueezeNet11(input_shape=(None, None, 3), classes=5)


@pytest.fixture(scope="module")
def squeezenet_blobs(squeezenet):
    return blobs_of(squeezenet)


def test_names_with_slashes_and_a_map_of_probabilities(squeezenet_blobs):
    assert squeezenet_blobs["fire9/concat"].shape == (2, 512, 6, 6)
    assert squeezenet_blobs["prob"].shape == (2, 5, 1, 1)
    assert not any("relu" in name or "flatten" in name for name in squeezenet_blobs)


@pytest.mark.slow
def test_saved_and_reloaded(squeezenet, squeezenet_blobs, tmp_path):
    squeezenet.save(tmp_path / "net.keras")
    again = blobs_of(keras.models.load_model(tmp_path / "net.keras"))
    assert again.keys() == squeezenet_blobs.keys()
    assert_part_of(again, squeezenet_blobs)


@pytest.mark.slow
def test_without_a_top(squeezenet_blobs):
    body = blobs_of(keras_fcn.SqueezeNet11(input_shape=(None, None, 3), include_top=False))
    assert squeezenet_blobs.keys() - body.keys() == {"conv10", "pool10", "prob"}
    logits = keras_fcn.SqueezeNet11(classifier_activation=None)
    assert "prob" not in blobs_of(logits, side=227)


@pytest.mark.slow
def test_a_denser_map_has_the_same_names():
    model = keras_fcn.SqueezeNet11(input_shape=(None, None, 3), include_top=False)
    dense, sparse = blobs_of(keras_fcn.with_output_stride(model, 8)), blobs_of(model)
    assert dense.keys() == sparse.keys()
    cells = dense["fire9/concat"][:, :, ::2, ::2][:, :, :5, :5]
    np.testing.assert_allclose(cells, sparse["fire9/concat"][:, :, :5, :5], atol=1e-4)


def test_a_new_head_begins_a_blob_of_its_name(squeezenet, squeezenet_blobs):
    model = keras_fcn.replace_head(squeezenet, 7)
    blobs = blobs_of(model)
    assert blobs.keys() == squeezenet_blobs.keys() - {"conv10"} | {"conv10_7"}
    assert blobs["conv10_7"].shape == (2, 7, 6, 6)
    assert blobs["conv10_7"].min() == 0  # its ReLU works in place
    assert blobs["prob"].shape == (2, 7, 1, 1)
    kept = squeezenet_blobs.keys() - {"conv10", "pool10", "prob"}
    assert_part_of({name: blobs[name] for name in kept}, squeezenet_blobs)
    again = blobs_of(keras_fcn.replace_head(squeezenet, 7, classifier_activation=None))
    assert again.keys() == blobs.keys() - {"prob"}


@pytest.mark.sweep(2)
@pytest.mark.parametrize(("name", "old"), [("NIN", "cccp8"), ("MobileNet", "fc7")])
def test_a_new_head_of_a_chain(name, old):
    model = getattr(keras_fcn, name)(input_shape=(99, 99, 3))
    blobs = blobs_of(keras_fcn.replace_head(model, 4))
    assert blobs.keys() == model.caffe.blobs.keys() - {old} | {"score"}
    assert (blobs["score"].min() == 0) == (name == "NIN")  # whose scores end in a ReLU
    assert blobs["prob"].shape == (2, 4, 1, 1)
    np.testing.assert_allclose(blobs["prob"].sum(axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_a_cast_classifier_has_the_names_of_caffes_net_surgery():
    classifier = keras_fcn.AlexNet(input_shape=(67, 67, 3), classes=3)
    cast_model = keras_fcn.to_fully_convolutional(classifier)
    before, after = blobs_of(classifier, 67), blobs_of(cast_model, 67)
    cast = ("fc6", "fc7", "fc8")
    assert after.keys() == before.keys() - set(cast) | {f"{name}-conv" for name in cast}
    for name, blob in before.items():
        new = after[f"{name}-conv" if name in cast else name]
        assert_part_of({name: blob.reshape(new.shape)}, {name: new})
    assert after["fc6-conv"].min() == 0


@pytest.mark.slow
def test_a_cast_keeps_slashes():
    googlenet = keras_fcn.GoogLeNet(input_shape=(64, 64, 3), classes=3)
    names = keras_fcn.to_fully_convolutional(googlenet).caffe.blobs
    assert names["loss3/classifier-conv"] == ("loss3_classifier-conv", 0)


def test_a_cast_of_from_caffe_keeps_its_names(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(lenet(28))
    model = keras_fcn.from_caffe(path)
    cast = keras_fcn.to_fully_convolutional(model)
    before, after = blobs_of(model, 28), blobs_of(cast, 28)
    assert after.keys() == before.keys() - {"ip1", "ip2"} | {"ip1-conv", "ip2-conv"}
    np.testing.assert_allclose(after["ip1-conv"][:, :, 0, 0], before["ip1"], rtol=1e-4, atol=1e-3)


IN_ONE_MEMORY = """
input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
layer { name: "c" type: "Convolution" bottom: "data" top: "c/1"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "flat" type: "Flatten" bottom: "c/1" top: "flat" }
layer { name: "sigmoid" type: "Sigmoid" bottom: "flat" top: "flat" }
layer { name: "pool" type: "Pooling" bottom: "c/1" top: "pool"
  pooling_param { pool: AVE global_pooling: true } }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "scores"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "scores" top: "scores" }
layer { name: "softmax" type: "Softmax" bottom: "scores" top: "loss" }
layer { name: "silence" type: "Silence" bottom: "flat" }
"""


@pytest.mark.parametrize("activation", ["softmax", None])
def test_a_new_head_of_from_caffe(activation, tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(IN_ONE_MEMORY)
    model = keras_fcn.from_caffe(path)
    new = keras_fcn.replace_head(model, 3, classifier_activation=activation)
    before, after = blobs_of(model, 8), blobs_of(new, 8)
    assert after.keys() == {
        *("data", "c/1", "flat", "pool", "scores"),
        *(["prob"] if activation else []),
    }
    for name in ("data", "c/1", "flat", "pool"):
        np.testing.assert_array_equal(after[name], before[name])
    np.testing.assert_array_equal(after["c/1"].reshape(2, -1), after["flat"])
    assert after["scores"].shape == (2, 3)
    assert after["scores"].min() >= 0


def test_layers_of_ones_own_are_blobs_by_their_names():
    model = keras.Sequential([keras.Input((4, 4, 3), name="x"), keras.layers.ReLU(name="relu1")])
    assert blobs_of(model, 4).keys() == {"x", "relu1"}
    assert blob_places(model) == ({"x": ("relu1", 0)}, {})


def test_short_errors():
    model = keras_fcn.LeNet()
    with pytest.raises(TypeError, match=r"Received: 'x\.jpg'$"):
        keras_fcn.blobs(model, "x.jpg")
    with pytest.raises(ValueError, match=r"axes\. Received: shape \(1, 28, 28\)$"):
        keras_fcn.blobs(model, np.zeros((1, 28, 28), "f4"))
