"""Caffe's fillers: exact where they are exact, else by range and moments."""

from __future__ import annotations

import math

import numpy as np
import pytest

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import Filler
from keras_fcn.caffe.net.fillers import bilinear_kernel, fill, fill_blobs
from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.text.prototxt import parse_net

SHAPE = (40, 30, 5, 4)  # fan in 600, fan out 800


def filled(shape: tuple[int, ...] = SHAPE, **fields: object) -> np.ndarray:
    blob = fill(Filler(**fields), shape, np.random.default_rng(0))
    assert blob.shape == shape
    assert blob.dtype == np.float32
    return blob


def test_constant():
    assert np.all(filled() == 0)
    assert np.all(filled(value=0.25) == 0.25)
    assert filled((), value=2) == 2


def test_uniform():
    blob = filled(type="uniform", min=-2, max=6)
    assert -2 <= blob.min() < -1.9
    assert 5.9 < blob.max() < 6
    assert abs(blob.mean() - 2) < 0.1


def test_gaussian():
    blob = filled(type="gaussian", mean=3, std=0.5)
    assert abs(blob.mean() - 3) < 0.02
    assert abs(blob.std() - 0.5) < 0.02


def test_sparse_gaussian_leaves_some_inputs_of_each_output():
    blob = filled((100, 2000), type="gaussian", sparse=10)
    assert abs((blob != 0).mean() - 0.1) < 0.01
    assert np.all(filled(type="gaussian", sparse=0) == 0)


def test_positive_unitball():
    blob = filled(type="positive_unitball")
    np.testing.assert_allclose(blob.sum(axis=(1, 2, 3)), 1, rtol=1e-5)
    assert blob.min() >= 0


FANS = {"FAN_IN": 600, "FAN_OUT": 800, "AVERAGE": 700}


@pytest.mark.parametrize("norm", FANS)
def test_xavier(norm):
    blob = filled(type="xavier", variance_norm=norm)
    limit = math.sqrt(3 / FANS[norm])
    assert 0.99 * limit < np.abs(blob).max() <= limit * (1 + 1e-6)
    assert abs(blob.std() * math.sqrt(FANS[norm]) - 1) < 0.02


@pytest.mark.parametrize("norm", FANS)
def test_msra(norm):
    blob = filled(type="msra", variance_norm=norm)
    assert abs(blob.std() / math.sqrt(2 / FANS[norm]) - 1) < 0.02


@pytest.mark.parametrize("side", [1, 2, 3, 4, 7, 16])
def test_bilinear(side):
    """The loop of BilinearFiller, element by element."""
    factor = math.ceil(side / 2)
    centre = (side - 1) / (2 * factor)
    kernel = bilinear_kernel(side)
    for y in range(side):
        for x in range(side):
            wanted = (1 - abs(x / factor - centre)) * (1 - abs(y / factor - centre))
            assert abs(kernel[y, x] - wanted) < 1e-6
    blob = filled((3, 2, side, side), type="bilinear")
    np.testing.assert_allclose(blob[2, 1], kernel, rtol=1e-6)


@pytest.mark.parametrize(
    ("fields", "shape", "message"),
    [
        ({"type": "Xavier"}, SHAPE, "filler type 'Xavier' is not one of bilinear, constant"),
        (
            {"type": "bilinear"},
            (2, 2, 3, 4),
            r"needs a square kernel, got blob shape \(2, 2, 3, 4\)",
        ),
        ({"type": "bilinear"}, (2, 2), "needs a square kernel"),
        ({"type": "gaussian", "std": -1.0}, SHAPE, "filler type 'gaussian': scale < 0"),
    ],
)
def test_refused(fields, shape, message):
    with pytest.raises(NetworkError, match=message):
        filled(shape, **fields)


NET = """layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 2
  kernel_size: 3 weight_filler { type: "%s" } bias_filler { value: 0.5 } } }
layer { name: "s" type: "Scale" bottom: "c" top: "s" }"""


def test_blobs_of_a_network():
    net = Network.of(parse_net(NET % "gaussian").definition)
    blobs = fill_blobs(net, seed=1)
    assert {name: [blob.shape for blob in made] for name, made in blobs.items()} == {
        "c": [(2, 3, 3, 3), (2,)],
        "s": [(2,)],
    }
    assert np.all(blobs["c"][1] == 0.5)
    assert np.all(blobs["s"][0] == 1)
    np.testing.assert_array_equal(fill_blobs(net, seed=1)["c"][0], blobs["c"][0])
    assert list(fill_blobs(net, stored={"c": blobs["c"]})) == ["s"]


def test_layer_of_a_bad_filler_is_named():
    parsed = parse_net(NET % "random")
    net = Network.of(parsed.definition, path="n")
    with pytest.raises(
        NetworkError, match=r"^n:3: layer 'c' \(Convolution\): filler type 'random'"
    ):
        fill_blobs(net)


@pytest.mark.parametrize("kind", ["xavier", "msra", "uniform"])
def test_blobs_of_unknown_size_are_empty(kind):
    text = NET[NET.index('layer { name: "c"') :] % kind
    net = Network.of(parse_net('layer { name: "d" type: "Data" top: "data" }' + text).definition)
    assert fill_blobs(net)["c"][0].shape == (2, 0, 3, 3)
