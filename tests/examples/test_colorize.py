"""The colour example on a small network: Lab, and what OpenCV's script gives."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import keras_fcn
from keras_fcn.preprocessing import load_image
from tests.examples.test_examples import CAT, example

NET = """
input: "data_l" input_shape { dim: 1 dim: 1 dim: 16 dim: 16 }
layer { name: "conv8_313" type: "Convolution" bottom: "data_l" top: "conv8_313"
  convolution_param { num_output: 3 kernel_size: 2 stride: 2
    weight_filler { type: "gaussian" std: 0.05 } } }
layer { name: "conv8_313_rh" type: "Scale" bottom: "conv8_313" top: "conv8_313_rh"
  scale_param { bias_term: false } }
layer { name: "class8_313_rh" type: "Softmax" bottom: "conv8_313_rh" top: "class8_313_rh" }
layer { name: "class8_ab" type: "Convolution" bottom: "class8_313_rh" top: "class8_ab"
  convolution_param { num_output: 2 kernel_size: 1 } }
"""
POINTS = np.array([[40.0, 30.0], [-30.0, 20.0], [0.0, -50.0]])


@pytest.fixture
def files(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    net = keras_fcn.Net(str(tmp_path / "net.prototxt"), keras_fcn.TEST, seed=1)
    net.save(str(tmp_path / "net.caffemodel"))
    np.save(tmp_path / "points.npy", POINTS)
    return tmp_path


def test_lab():
    """White, grey, and the primaries, as tables give them for D65."""
    steps = example("colorize")
    known = {
        (1, 1, 1): (100, 0, 0),
        (0, 0, 0): (0, 0, 0),
        (1, 0, 0): (53.24, 80.09, 67.20),
        (0, 1, 0): (87.73, -86.18, 83.18),
        (0, 0, 1): (32.30, 79.19, -107.86),
    }
    found = steps.lab(np.array(list(known), "f8"))
    np.testing.assert_allclose(found, list(known.values()), atol=0.02)
    colours = np.random.default_rng(0).uniform(0, 1, (5, 7, 3))
    np.testing.assert_allclose(steps.rgb(steps.lab(colours)), colours, atol=1e-9)


def test_a_picture_gets_colours(files):
    steps = example("colorize")
    pixels = load_image(CAT)[:90, :120]
    Image.fromarray(pixels).save(files / "x.png")
    paths = ("--prototxt", files / "net.prototxt", "--weights", files / "net.caffemodel")
    more = ("--points", files / "points.npy", "-o", files / "y.png")
    picture = steps.main([str(text) for text in (files / "x.png", *paths, *more)])
    assert load_image(files / "y.png").shape == (90, 240, 3)
    written = load_image(files / "y.png")[:, 120:] / 255
    np.testing.assert_allclose(written, picture, atol=0.003)
    # Inside what a screen shows, lightness stays that of the picture.
    inside = (picture > 0.01).all(-1) & (picture < 0.99).all(-1)
    given, got = (steps.lab(x)[..., 0][inside] for x in (pixels / 255, picture))
    assert inside.mean() > 0.5
    np.testing.assert_allclose(got, given, atol=1e-6)

    net = steps.load(*(str(files / f"net.{kind}") for kind in ("prototxt", "caffemodel")), None)
    assert np.ptp(net.params["class8_ab"][0].data) == 0
    net = steps.load(*(str(x) for x in paths[1::2]), str(files / "points.npy"))
    small = steps.colours(net, pixels[:16, :16])
    scores = net.blobs["conv8_313"].data[0] * 2.606
    shares = np.exp(scores) / np.exp(scores).sum(axis=0)
    wanted = np.einsum("krc,kp->rcp", shares, POINTS)
    np.testing.assert_allclose(net.blobs["class8_ab"].data[0].transpose(1, 2, 0), wanted, rtol=1e-4)
    assert small.shape == (16, 16, 2)


def test_points_of_another_network(files):
    np.save(files / "points.npy", POINTS[:2])
    paths = [str(files / name) for name in ("net.prototxt", "net.caffemodel", "points.npy")]
    with pytest.raises(ValueError, match="must hold 3 colours"):
        example("colorize").load(*paths)
