"""pycaffe's `Detector`: windows of images, one by one as `Net` classifies them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import keras_fcn as caffe
from tests.keras_fcn.pycaffe.nets import CLASSIFIER, net_of

PIXELS = np.random.default_rng(3).integers(0, 256, (20, 24, 3), np.uint8)
SETTINGS = {"mean": np.array([10.0, 20, 30]), "raw_scale": 255, "channel_swap": (2, 1, 0)}
MEAN = np.array([30, 20, 10]) / 255  # as RGB 0..1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("detector")
    net = net_of(CLASSIFIER, folder)
    net.save(folder / "net.caffemodel")
    for name, pixels in (("a.png", PIXELS), ("b.png", PIXELS[::-1, :18])):
        Image.fromarray(np.ascontiguousarray(pixels)).save(folder / name)
    return folder


def detector(folder, **more):
    files = str(folder / "net.prototxt"), str(folder / "net.caffemodel")
    return caffe.Detector(*files, **SETTINGS, **more)


def test_windows_are_classified(folder):
    net = detector(folder)
    a, b = str(folder / "a.png"), str(folder / "b.png")
    asked = [(a, [(0, 0, 8, 8), np.array([3, 4, 19, 15])]), (b, [(12, 10, 20, 18)])]
    found = net.detect_windows(asked)
    assert [x["filename"] for x in found] == [a, a, b]
    assert [tuple(x["window"]) for x in found] == [(0, 0, 8, 8), (3, 4, 19, 15), (12, 10, 20, 18)]
    for x, image in zip(found, (PIXELS, PIXELS, PIXELS[::-1, :18]), strict=True):
        top, left, bottom, right = x["window"]
        part = caffe.io.resize_image(image[top:bottom, left:right] / np.float32(255), (8, 8))
        data = (part[..., ::-1] * 255 - [10, 20, 30]).transpose(2, 0, 1)
        scores = net.forward_all(data=data[np.newaxis])["prob"][0]
        np.testing.assert_allclose(x["prediction"], scores, rtol=1e-4)
    assert net.detect_windows([]) == []


def test_what_is_around_a_window(folder):
    """An input of 8 pixels, 2 of them around on each side: 9 pixels of the image as 8."""
    net = detector(folder, context_pad=2)
    image = PIXELS / np.float32(255)
    np.testing.assert_allclose(net.crop(image, (4, 5, 7, 8)), image[2:10, 3:11])
    corner = net.crop(image, (0, 0, 3, 3))
    np.testing.assert_allclose(corner[2:, 2:], image[:6, :6], rtol=1e-6)
    np.testing.assert_allclose(corner[:2], np.broadcast_to(MEAN, (2, 8, 3)), rtol=1e-5)
    np.testing.assert_allclose(corner[:, :2], np.broadcast_to(MEAN, (8, 2, 3)), rtol=1e-5)
    (found,) = net.detect_windows([(folder / "a.png", [(0, 0, 3, 3)])])
    data = (corner[..., ::-1] * 255 - [10, 20, 30]).transpose(2, 0, 1)
    assert abs(data[:, :2]).max() < 1e-4
    scores = net.forward_all(data=data[np.newaxis])["prob"][0]
    np.testing.assert_allclose(found["prediction"], scores, rtol=1e-4)


def test_refusals(folder):
    with pytest.raises(
        ValueError, match=r"must hold pixels of its image, 20x24\. .*\(5, 5, 5, 9\)"
    ):
        detector(folder).detect_windows([(folder / "a.png", [(5, 5, 5, 9)])])
    with pytest.raises(ValueError, match="context_pad=4 for 8x8"):
        detector(folder, context_pad=4)
    with pytest.raises(NotImplementedError, match="detect_windows"):
        detector(folder).detect_selective_search(["a.png"])
