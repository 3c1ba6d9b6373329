"""The networks against Caffe: every stored blob of every reference net."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.caffe import surgery
from tests.reference_nets import reference_net

CASTS = [
    ("lenet_full_conv", "lenet"),
    pytest.param("bvlc_caffenet_full_conv", "bvlc_reference_caffenet", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A net's caffemodel, written once."""
    folder = tmp_path_factory.mktemp("nets")
    return functools.cache(lambda name: reference_net(name).write_weights(folder))


@pytest.fixture(scope="module")
def caffenet_weights(written):
    return written("bvlc_reference_caffenet")


@pytest.mark.parametrize(
    ("name", "through_hdf5"),
    [
        ("lenet", False),
        ("lenet", True),
        pytest.param("bvlc_alexnet", False, marks=pytest.mark.slow),
        pytest.param("bvlc_alexnet", True, marks=pytest.mark.slow),
        pytest.param("bvlc_reference_caffenet", False, marks=pytest.mark.slow),
        pytest.param("bvlc_reference_caffenet", True, marks=pytest.mark.slow),
    ],
)
def test_classifier(name, through_hdf5, tmp_path, written):
    net = reference_net(name)
    weights = written(name)
    if through_hdf5:
        convert.convert(net.prototxt, weights, tmp_path / "net.h5")
        weights = tmp_path / "net.h5"
    model = keras_fcn.from_caffe(net.prototxt, weights)
    net.assert_blobs(keras_fcn.blobs(model, net.inputs))


@pytest.mark.parametrize(
    "name",
    [
        "bvlc_googlenet",
        pytest.param("fcn8s", marks=pytest.mark.slow),
        pytest.param("dilation8_pascal_voc", marks=pytest.mark.slow),
    ],
)
def test_published_network(name, tmp_path):
    net = reference_net(name)
    model = keras_fcn.from_caffe(net.prototxt, net.write_weights(tmp_path))
    net.assert_blobs(keras_fcn.blobs(model, net.inputs))


@pytest.mark.slow
def test_segnet(tmp_path):
    """Near-ties move a few entries of the masks, and what is built on them with those."""
    net = reference_net("segnet_basic")
    model = keras_fcn.from_caffe(net.prototxt, net.write_weights(tmp_path))
    blobs = keras_fcn.blobs(model, net.inputs)
    exact, near = net.fractions_off(blobs, 0), net.fractions_off(blobs, 1e-2)
    masks = [name for name in exact if name.endswith("_mask")]
    assert max(exact[name] for name in masks) <= 4e-5
    assert near["prob"] <= 1e-3
    # One entry of the smallest mask reaches 7 x 7 cells of all channels, 1.8 % of a blob.
    decoder = [name for name in near if "decode" in name or "upsample" in name]
    assert len(decoder) == 8
    assert max(near[name] for name in decoder) <= 5e-3, near
    net.assert_blobs(blobs, skip=[*decoder, "conv_classifier", "prob"])


@pytest.mark.parametrize(
    ("name", "classifier"),
    CASTS,
)
def test_cast_network(name, classifier, tmp_path, written):
    net, source = reference_net(name), reference_net(classifier)
    path = tmp_path / "cast.h5"
    convert.convert(source.prototxt, written(classifier), path, fully_convolutional=True)
    model = keras_fcn.from_caffe(net.prototxt, path)
    net.assert_blobs(keras_fcn.blobs(model, net.inputs))
    assert model.input_shape[1:3] == (None, None)


@pytest.mark.slow
@pytest.mark.parametrize("through_hdf5", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_detector(through_hdf5, tmp_path):
    net = reference_net("mobilenet_ssd")
    weights = net.write_weights(tmp_path)
    if through_hdf5:
        convert.convert(net.prototxt, weights, tmp_path / "net.h5")
        weights = tmp_path / "net.h5"
    model = keras_fcn.from_caffe(net.prototxt, weights)
    assert model.input_shape[1:3] == (None, None)
    blobs = keras_fcn.blobs(model, net.inputs)
    net.assert_blobs(blobs, skip=["detection_out"])
    _assert_same_detections(blobs["detection_out"], net.arrays["out/detection_out"])


def _assert_same_detections(actual, expected):
    """Nearly all rows have a counterpart: lists may swap or lose entries at ties."""
    assert actual.shape[:2] == expected.shape[:2] == (1, 1)
    difference = np.abs(actual[0, 0][:, None] - expected[0, 0]).max(axis=-1)
    for side in (0, 1):
        assert (difference.min(axis=side) < 1e-4).mean() >= 0.98


def _assert_equals_blob(net, actual, blob):
    expected = net.arrays[f"out/{blob}"]
    actual = np.moveaxis(actual, -1, 1) if actual.ndim > 2 else actual
    std = float(net.arrays[f"stat/{blob}"][1])
    assert np.abs(actual - expected).max() <= 1e-3 * std


def _images(net):
    return np.moveaxis(net.inputs["data"], 1, -1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "source",
    [
        pytest.param("h5", marks=pytest.mark.slow),
        "caffemodel",
        pytest.param("cast.h5", marks=pytest.mark.slow),
    ],
)
def test_caffenet_constructors(source, tmp_path, caffenet_weights):
    net, cast = reference_net("bvlc_reference_caffenet"), reference_net("bvlc_caffenet_full_conv")
    weights = caffenet_weights
    if source.endswith("h5"):
        weights = tmp_path / source
        convert.convert(
            net.prototxt, caffenet_weights, weights, fully_convolutional=source == "cast.h5"
        )
    classifier = keras_fcn.CaffeNet(weights=weights)
    _assert_equals_blob(net, classifier.predict(_images(net), verbose=0), "prob")
    fcn = keras_fcn.CaffeNetFCN(weights=weights)
    scores = fcn.predict(_images(cast), verbose=0)
    assert scores.shape == (1, 8, 8, 1000)
    _assert_equals_blob(cast, scores, "prob")


@pytest.mark.slow
def test_surgery_on_the_keras_model_equals_caffes_surgery(caffenet_weights):
    cast = reference_net("bvlc_caffenet_full_conv")
    fcn = keras_fcn.to_fully_convolutional(keras_fcn.CaffeNet(weights=caffenet_weights))
    _assert_equals_blob(cast, fcn.predict(_images(cast), verbose=0), "prob")


def test_lenet_cast_equals_the_classifier_on_every_crop():
    net, cast = reference_net("lenet"), reference_net("lenet_full_conv")
    weights = net.folder / "weights.caffemodel"
    classifier = keras_fcn.LeNet(weights=weights, classifier_activation=None)
    fcn = keras_fcn.LeNetFCN(weights=weights, classifier_activation=None)
    image = _images(cast)
    logits = fcn.predict(image, verbose=0)[0]
    rows, columns, _ = logits.shape
    crops = np.stack(
        [
            image[0, 4 * i : 4 * i + 28, 4 * j : 4 * j + 28]
            for i in range(rows)
            for j in range(columns)
        ]
    )
    expected = classifier.predict(crops, batch_size=len(crops), verbose=0)
    np.testing.assert_allclose(logits.reshape(expected.shape), expected, atol=1e-4)
    stored = np.moveaxis(cast.arrays["crop_logits"], 0, -1)
    np.testing.assert_allclose(logits, stored, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "classifier"),
    CASTS,
)
def test_surgery_on_the_caffe_net_equals_caffes(name, classifier, tmp_path, written):
    cast, source = reference_net(name), reference_net(classifier)
    net = surgery.open_net(source.prototxt, written(classifier))
    sizes = {blob: x.shape for blob, x in cast.inputs.items()}
    surgery.resize(surgery.to_fully_convolutional(net), sizes).save(
        tmp_path / "fcn.prototxt", tmp_path / "fcn.caffemodel"
    )
    model = keras_fcn.from_caffe(tmp_path / "fcn.prototxt", tmp_path / "fcn.caffemodel")
    cast.assert_blobs(keras_fcn.blobs(model, cast.inputs))


def test_the_tutorials_cast_of_lenet_names_the_kernel_that_fits():
    """One of the articles casts ip1 to 1 x 1, which holds a sixteenth of its weights."""
    source = reference_net("lenet")
    net = surgery.open_net(source.prototxt, source.folder / "weights.caffemodel")
    with pytest.raises(
        convert.NetworkError, match=r"25,000 of .* 400,000 weights; 4 x 4 would fit"
    ):
        surgery.to_fully_convolutional(net, kernels={"ip1": (1, 1)})
