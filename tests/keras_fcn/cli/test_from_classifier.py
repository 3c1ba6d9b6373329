"""Segmentation networks that begin with the weights of a classifier."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
from PIL import Image

import convert
import keras_fcn
from keras_fcn.caffe.blobs import caffemodel_writer
from keras_fcn.caffe.definition import LayerDefinition, NetDefinition
from keras_fcn.caffe.errors import CaffeWarning, WeightsError
from keras_fcn.caffe.limits import check_kernel

BODY = """
name: "small"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 } }
"""
CLASSIFIER = (
    BODY
    + """
layer { name: "fc6" type: "InnerProduct" bottom: "conv1" top: "fc6"
  inner_product_param { num_output: 5 } }
layer { name: "fc8" type: "InnerProduct" bottom: "fc6" top: "fc8"
  inner_product_param { num_output: 1000 } }
"""
)
FCN = (
    BODY.replace("dim: 8 dim: 8", "dim: 9 dim: 10")
    + """
layer { name: "fc6" type: "Convolution" bottom: "conv1" top: "fc6"
  convolution_param { num_output: 5 kernel_size: 6 } }
layer { name: "score" type: "Convolution" bottom: "fc6" top: "score"
  convolution_param { num_output: 2 kernel_size: 1 weight_filler { type: "xavier" } } }
"""
)
RANDOM = np.random.default_rng(0)
WEIGHTS = {
    name: [RANDOM.normal(0, 0.2, shape).astype(np.float32), RANDOM.normal(0, 1, shape[0])]
    for name, shape in {"conv1": (4, 3, 3, 3), "fc6": (5, 144), "fc8": (1000, 5)}.items()
}
IMAGE = RANDOM.normal(0, 1, (1, 8, 8, 3)).astype(np.float32)


@pytest.fixture
def classifier(tmp_path):
    (tmp_path / "net.prototxt").write_text(CLASSIFIER)
    convert.write_caffemodel(tmp_path / "net.caffemodel", tmp_path / "net.prototxt", WEIGHTS)
    return tmp_path / "net.prototxt", tmp_path / "net.caffemodel"


def without_bottoms(path, weights=WEIGHTS):
    """A caffemodel whose layers say nothing of what they read."""
    layers = tuple(
        LayerDefinition(name, "InnerProduct" if blobs[0].ndim == 2 else "Convolution")
        for name, blobs in weights.items()
    )
    caffemodel_writer.write_caffemodel(path, NetDefinition(layers=layers), weights)
    return path


@pytest.mark.parametrize("source", ["caffemodel", "without bottoms"])
def test_a_prototxt_takes_the_inner_product_of_its_convolution(classifier, tmp_path, source):
    caffemodel = classifier[1]
    if source == "without bottoms":
        caffemodel = without_bottoms(tmp_path / "x.caffemodel")
    (tmp_path / "fcn.prototxt").write_text(FCN)
    with pytest.warns(CaffeWarning, match="no weights for score; they keep what their fillers"):
        model = keras_fcn.from_caffe(tmp_path / "fcn.prototxt", caffemodel)
    wanted = keras_fcn.blobs(keras_fcn.from_caffe(*classifier), IMAGE.transpose(0, 3, 1, 2))["fc6"]
    found = keras_fcn.blobs(model, IMAGE.transpose(0, 3, 1, 2))["fc6"]
    np.testing.assert_allclose(found.ravel(), wanted.ravel(), rtol=1e-4, atol=1e-5)


def test_other_shapes_do_not_fit(classifier, tmp_path):
    (tmp_path / "fcn.prototxt").write_text(FCN.replace("kernel_size: 6", "kernel_size: 5"))
    with pytest.raises(WeightsError, match=r"'fc6'.*\(5, 144\), the network needs \(5, 4, 5, 5\)"):
        keras_fcn.from_caffe(tmp_path / "fcn.prototxt", classifier[1])


@pytest.mark.parametrize("name", ["fc6", "fc6-conv"])
def test_an_inner_product_of_an_unknown_map_is_cast_right(classifier, tmp_path, name):
    """The convolution tells rows, columns and channels, in Caffe's order."""
    wanted = keras_fcn.blobs(keras_fcn.from_caffe(*classifier), IMAGE.transpose(0, 3, 1, 2))["fc6"]
    stack = [keras.layers.Conv2D(4, 3, name="conv1"), keras.layers.Conv2D(5, 6, name=name)]
    model = keras.Sequential([keras.Input((None, None, 3)), *stack])
    path = without_bottoms(tmp_path / "x.caffemodel", {n: WEIGHTS[n] for n in ("conv1", "fc6")})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        keras_fcn.load_weights(model, path)
    found = model.predict(IMAGE, verbose=0)
    np.testing.assert_allclose(found.ravel(), wanted.ravel(), rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    """The convolutions of VGG-16, each of one number, and a last layer."""
    depths = ((2, 64, 3), (2, 128, 64), (3, 256, 128), (3, 512, 256), (3, 512, 512))
    weights = {}
    for number, (depth, channels, before) in enumerate(depths, 1):
        for index in range(1, depth + 1):
            shape = (channels, before if index == 1 else channels, 3, 3)
            kernel = np.full(shape, number + index / 10, np.float32)
            weights[f"conv{number}_{index}"] = [kernel, np.zeros(channels, np.float32)]
    weights["fc8"] = [np.zeros((1000, 4), np.float32), np.zeros(1000, np.float32)]
    return without_bottoms(tmp_path_factory.mktemp("vgg") / "vgg.caffemodel", weights)


@pytest.mark.slow
def test_the_body_of_segnet_is_vggs(run, vgg, tmp_path):
    with pytest.warns(CaffeWarning, match=r"'conv1_1_D'.* random .*Loaded: conv1_1, conv1_2"):
        model = keras_fcn.SegNet(weights=vgg, classes=2)
    np.testing.assert_allclose(model.get_layer("conv5_3").weights[0][0, 0, 0, 0], 5.3, rtol=1e-6)
    Image.new("RGB", (32, 32)).save(tmp_path / "x.png")
    command = ("segment", tmp_path / "x.png", "--model", "segnet", "--weights", vgg)
    error = run(*command, "-o", tmp_path / "y.png").error
    assert "random weights: the network has to be trained for its classes" in error
    assert "not used: fc8. Train it first: keras-fcn train" in error
    assert not (tmp_path / "y.png").exists()


@pytest.mark.slow
def test_a_body_of_other_shapes_does_not_fit(tmp_path):
    weights = {"conv1_1": [np.zeros((32, 3, 3, 3), np.float32), np.zeros(32, np.float32)]}
    weights["conv1_2"] = [np.zeros((64, 64, 3, 3), np.float32), np.zeros(64, np.float32)]
    path = without_bottoms(tmp_path / "x.caffemodel", weights)
    with pytest.raises(WeightsError, match="shapes of 'conv1_1' differ"):
        keras_fcn.SegNet(weights=path, classes=2)


@pytest.mark.slow
def test_train_begins_with_a_classifier(run, tmp_path):
    """What is loaded, and what is new, is said; classes are those of the data."""
    shapes = {"conv1": (20, 1, 5, 5), "conv2": (50, 20, 5, 5), "ip1": (500, 800), "last": (9, 500)}
    weights = {
        name: [np.full(shape, 0.01, np.float32), np.zeros(shape[0], np.float32)]
        for name, shape in shapes.items()
    }
    path = without_bottoms(tmp_path / "lenet.caffemodel", weights)
    for folder in ("images", "masks"):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for index in range(3):
            pixels = np.eye(40, 48).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / folder / f"{index}.png")
    outcome = run(
        *("train", tmp_path / "data", "--classes", 2, "--model", "lenet_fcn", "--weights", path),
        *("-o", tmp_path / "run", "--epochs", 1, "--samples", 1, "--export", "keras"),
    )
    assert outcome.status == 0, outcome
    (line,) = [line for line in outcome.err.splitlines() if line.startswith("warning:")]
    assert "does not fit 'ip2-conv', which keeps its random weights" in line
    assert line.endswith("Loaded: conv1, conv2, ip1-conv; not used: last")
    model = keras.models.load_model(tmp_path / "run" / "model.keras")
    assert model.output_shape[-1] == 2


def test_kernels_that_fill_the_memory_are_refused():
    check_kernel("upscore", (64, 64, 21, 21))
    message = r"'upscore' needs 14.8 GiB .* for a kernel of 63 x 63 x 1000 x 1000; at most 8 GiB"
    with pytest.raises(convert.CaffeError, match=message):
        keras_fcn.FCNAlexNet(classes=1000)
