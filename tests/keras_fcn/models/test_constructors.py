"""Every constructor against its network's definition in Caffe's terms."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import convert
import keras_fcn
from convert.names import keras_name
from keras_fcn.layers import SampledDropout
from tests.golden import assert_close
from tests.keras_fcn.models.cases import CASES, HEAVY, construct, weight_shapes
from tests.reference_nets import reference_net

SLOW = pytest.mark.slow

QUICK = {"AlexNet", "ResNet50", "SqueezeNet", "NIN", "MobileNetV2", "SegNetBasic", "ENet"}

FCNS = [name for name in CASES if name.startswith("FCN")]

SEGNETS = [name for name in CASES if "SegNet" in name]

# Classifiers that end in a pooling over the whole map.
POOLED = ["ResNet50", "GoogLeNet", "MobileNetV2", "MobileNet", "SqueezeNet11", "SqueezeNet", "NIN"]

GOLDEN = {
    "bvlc_alexnet": "AlexNet",
    "bvlc_googlenet": "GoogLeNet",
    "bvlc_reference_caffenet": "CaffeNet",
    "fcn8s": "FCN8s",
    "dilation8_pascal_voc": "DilatedNetPascalVOC",
}


def marked(names, slow):
    return [pytest.param(name, marks=SLOW) if name in slow else name for name in names]


@pytest.fixture
def zeros(monkeypatch):
    """Weights that cost nothing, where only their shapes count."""
    glorot = keras.initializers.GlorotUniform
    monkeypatch.setattr(
        glorot, "__call__", lambda self, shape, dtype=None: keras.ops.zeros(shape, dtype)
    )


@pytest.mark.parametrize("name", CASES)
def test_names_and_shapes_are_those_of_the_network(name, tmp_path, zeros):
    case = CASES[name]
    network = case.network(case.published, tmp_path)
    model = construct(name)
    actual = {
        layer.name: [tuple(weight.shape) for weight in layer.weights]
        for layer in model.layers
        if layer.weights
    }
    assert actual == weight_shapes(network)
    assert {layer.keras_name for layer in network.layers} <= {
        keras_name(layer.name) for layer in model.layers
    } | {"data", "prob"}
    assert sum(np.prod(weight.shape) for weight in model.trainable_weights) == case.trained


def randomize(model, seed=0):
    """Weights that keep the values of a deep network in range."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        for weight in layer.weights:
            shape = tuple(weight.shape)
            if weight.name in ("moving_variance", "scale"):
                value = rng.uniform(0.5, 1.5, shape)
            elif len(shape) > 1:
                fan_in = np.prod(shape[:-1])
                value = rng.standard_normal(shape, np.float32) * np.sqrt(2 / fan_in)
            else:
                value = rng.normal(0, 0.1, shape)
            weight.assign(value.astype(np.float32))


def outputs_of(model, names, image):
    """Layer -> what it gives; a pooling's maxima and mask side by side."""
    probe = keras.Model(model.inputs[0], {name: model.get_layer(name).output for name in names})
    return {
        name: np.concatenate([np.asarray(x) for x in keras.tree.flatten(outputs)], axis=-1)
        for name, outputs in probe(image, training=False).items()
    }


@pytest.fixture
def sober(monkeypatch):
    """Layers that drop at all times do not."""
    monkeypatch.setattr(SampledDropout, "call", lambda self, inputs, training=False: inputs)


@pytest.mark.parametrize("name", marked(CASES, slow=CASES.keys() - QUICK))
def test_every_layer_equals_from_caffe(name, tmp_path, sober):
    case = CASES[name]
    network = case.network(case.small, tmp_path)
    reference = keras_fcn.from_caffe(tmp_path / "net.prototxt")
    randomize(reference)
    height, width = case.small[0], case.small[-1]
    model = construct(name, input_shape=(height, width, 3))
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(reference.get_layer(layer.name).get_weights())
    image = np.random.default_rng(1).normal(0, 40, (1, height, width, 3)).astype(np.float32)
    names = [layer.keras_name for layer in network.layers if layer.keras_name != "data"]
    expected = outputs_of(reference, names, image)
    for layer, actual in outputs_of(model, names, image).items():
        assert_close(actual.reshape(expected[layer].shape), expected[layer], 1e-4)
    assert len(names) >= 15


def makers(net):
    """Caffe's blobs -> what ``keras_fcn.blobs`` calls them."""
    blobs = convert.load_network(net.prototxt).blobs.items()
    return {name: f"{blob.maker}{'_mask' * blob.index}" for name, blob in blobs}


@pytest.mark.parametrize("case", marked(GOLDEN, slow=["fcn8s", "dilation8_pascal_voc"]))
def test_with_weights_every_blob_equals_caffes(case, tmp_path):
    net = reference_net(case)
    weights = net.write_weights(tmp_path)
    if case == "dilation8_pascal_voc":  # its caffemodel does not tell of the input
        weights = tmp_path / "net.h5"
        convert.convert(net.prototxt, tmp_path / f"{case}.caffemodel", weights)
    model = construct(GOLDEN[case], weights=weights)
    made_by = {name: blob.maker for name, blob in convert.load_network(net.prototxt).blobs.items()}
    values = keras_fcn.blobs(model, {"data": net.inputs["data"]})
    blobs = {name: values[maker] for name, maker in made_by.items() if maker in values}
    assert net.assert_blobs({"data": net.inputs["data"], **blobs}) >= 5


@pytest.mark.slow
def test_segnet_with_weights_equals_caffe_but_for_ties(tmp_path):
    net = reference_net("segnet_basic")
    model = keras_fcn.SegNetBasic(weights=net.write_weights(tmp_path))
    values = keras_fcn.blobs(model, {"data": net.inputs["data"]})
    compared = 0
    for name, maker in makers(net).items():
        stored = net.arrays.get(f"out/{name}", net.arrays.get(f"sub/{name}"))
        if stored is None or name == "data":
            continue
        actual = values[maker]
        if f"sub/{name}" in net.arrays:
            actual = actual.reshape(-1)[:: int(net.arrays[f"step/{name}"])]
        differs = np.abs(actual - stored) > 1e-3 * float(net.arrays[f"stat/{name}"][1])
        assert differs.mean() <= 2e-3, name
        compared += 1
    assert compared >= 15


def test_a_new_head_leaves_the_rest_loaded(tmp_path):
    net = reference_net("bvlc_googlenet")
    weights = net.write_weights(tmp_path)
    whole = keras_fcn.GoogLeNet(weights=weights)
    with pytest.warns(convert.CaffeWarning, match="'loss3_classifier', which keeps its random"):
        model = keras_fcn.GoogLeNet(weights=weights, classes=5, classifier_activation=None)
    assert model.output_shape == (None, 5)
    for layer in model.layers[:-1]:
        for new, old in zip(layer.weights, whole.get_layer(layer.name).weights, strict=True):
            np.testing.assert_array_equal(new, old)
    body = keras_fcn.GoogLeNet(weights=weights, include_top=False, input_shape=(None, None, 3))
    assert body.output_shape == (None, None, None, 1024)


@pytest.mark.slow
def test_new_classes_of_a_segmentation_network(tmp_path):
    weights = reference_net("fcn8s").write_weights(tmp_path)
    heads = ["score_fr", "upscore2", "score_pool4", "upscore_pool4", "score_pool3", "upscore8"]
    with pytest.warns(convert.CaffeWarning, match=", ".join(map(repr, heads))):
        model = keras_fcn.FCN8s(weights=weights, classes=4)
    assert model.output_shape == (None, None, None, 4)


@pytest.mark.parametrize("name", marked(POOLED, slow=POOLED[::2]))
def test_classifiers_with_a_last_pooling_take_any_size(name):
    model = construct(name, input_shape=(None, None, 3), classes=7)
    scores = model.predict(np.ones((2, 130, 101, 3), np.float32), verbose=0)
    assert scores.shape == (2, 7)
    np.testing.assert_allclose(scores.sum(axis=-1), 1, atol=1e-5)


@pytest.mark.parametrize("name", marked(FCNS, slow=HEAVY))
def test_fcn_scores_every_pixel_of_any_image(name):
    model = construct(name, classes=3)
    assert model.predict(np.ones((1, 33, 47, 3), np.float32), verbose=0).shape == (1, 33, 47, 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shape"), [("DilatedNetKITTI", (2, 3)), ("DilatedNetCityscapes", (16, 24))]
)
def test_dilated_networks_score_what_lies_within_the_margin(name, shape):
    model = construct(name, classes=3)
    image = np.ones((1, 372 + 16, 372 + 24, 3), np.float32)
    assert model.predict(image, verbose=0).shape == (1, *shape, 3)


@pytest.mark.parametrize("name", marked(SEGNETS, slow=["SegNet", "BayesianSegNet"]))
def test_segnets_score_every_pixel_of_any_image(name):
    model = construct(name, classes=3)
    for size in ((32, 32), (45, 61)):
        assert model.predict(np.ones((2, *size, 3), np.float32), verbose=0).shape == (2, *size, 3)


def test_untrained_upsampling_is_bilinear():
    layer = keras_fcn.FCNAlexNet(classes=3).get_layer("upscore")
    assert not layer.trainable
    x = np.zeros((1, 4, 4, 3), np.float32)
    x[..., 1] = 2
    y = np.asarray(layer(x))
    np.testing.assert_allclose(y[0, 40:-40, 40:-40, 1], 2, atol=1e-5)
    assert not y[..., [0, 2]].any()


def test_saved_and_reloaded(tmp_path):
    model = keras_fcn.SqueezeNet11(input_shape=(None, None, 3))
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    image = np.random.default_rng(0).normal(0, 40, (1, 99, 99, 3)).astype(np.float32)
    np.testing.assert_array_equal(again.predict(image, verbose=0), model.predict(image, verbose=0))
    assert again.caffe == model.caffe


def test_a_segmentation_network_is_made_again_from_its_configuration():
    model = keras_fcn.FCNAlexNet(classes=3)
    again = type(model).from_config(model.get_config())
    kernels = [net.get_layer("upscore").get_weights()[0] for net in (model, again)]
    np.testing.assert_array_equal(*kernels)
