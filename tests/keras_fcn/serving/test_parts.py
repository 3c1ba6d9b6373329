from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from keras_fcn.serving.batching import Batcher
from keras_fcn.serving.images import decoded
from keras_fcn.serving.limits import Limits, Refused
from keras_fcn.serving.metrics import Metrics
from keras_fcn.visualize import save_labels
from keras_fcn.visualize.files import labels_png
from tests.keras_fcn.serving.conftest import picture, png


def _batcher(run, **options):
    settings = {"most": 4, "pixels": 10_000, "window": 0.0} | options
    return Batcher(run, **settings)


def test_what_waits_is_finished_at_the_end():
    batcher = _batcher(lambda images: [lambda x=x: x.sum() for x in images], window=5.0)
    found = [batcher.submit(np.full((2, 2, 1), i)) for i in range(3)]
    batcher.close()
    assert [x.result(1) for x in found] == [0, 4, 8]
    with pytest.raises(RuntimeError, match="stopping"):
        batcher.submit(np.zeros((2, 2, 1)))


def test_the_pixels_of_a_batch_are_bounded():
    sizes = []

    def run(images):
        sizes.append(len(images))
        return [lambda: None for _ in images]

    batcher = _batcher(run, pixels=100, window=0.2, seen=sizes.append)
    found = [batcher.submit(np.zeros((7, 7, 1))) for _ in range(4)]
    found += [batcher.submit(np.zeros((20, 20, 1))) for _ in range(2)]
    batcher.close()
    assert all(x.done() for x in found)
    assert sizes == [2, 2, 2, 2, 1, 1, 1, 1]


def test_an_error_is_that_of_its_image():
    def run(images):
        return [lambda x=x: 1 / x.max() if x.max() else int("x") for x in images]

    batcher = _batcher(run, window=0.2)
    good, bad = batcher.submit(np.ones((1, 1, 1))), batcher.submit(np.zeros((1, 1, 1)))
    assert good.result(5) == 1
    with pytest.raises(ValueError, match="invalid literal"):
        bad.result(5)
    assert batcher.submit(np.ones((1, 1, 1))).result(5) == 1
    batcher.close()


def test_what_is_not_waited_for_is_not_computed():
    seen = []
    batcher = _batcher(lambda images: seen.extend(images) or [lambda: 0 for _ in images], window=5)
    batcher.submit(np.zeros((1, 1, 1))).cancel()
    batcher.close()
    assert seen == []


def test_orientation_and_channels_are_as_in_files():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decoded(png(picture(20, 30), "JPEG", exif=exif), 3, 1000).shape == (30, 20, 3)
    assert decoded(png(picture(20, 30)), 1, 1000).shape == (20, 30, 1)
    assert decoded(png(picture(20, 30)[..., 0]), 3, 1000).shape == (20, 30, 3)
    with pytest.raises(Refused, match="channel") as error:
        decoded(png(picture(20, 30)), 5, 1000)
    assert error.value.status == 422


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_damaged_files_are_refused_or_read(form):
    whole = bytearray(png(picture(20, 30), form))
    random = np.random.default_rng(0)
    for _ in range(60):
        data = whole.copy()
        for place in random.integers(0, len(data), 4):
            data[place] = random.integers(0, 256)
        status = _status(bytes(data[: random.integers(1, 2 * len(data))]))
        assert status in (200, 413, 415, 422)


def _status(data: bytes) -> int:
    try:
        decoded(data, 3, 1000)
    except Refused as error:
        return error.status
    return 200


def test_the_form_of_the_metrics():
    metrics = Metrics()
    metrics.request("/a", 200, 0.01)
    metrics.request("/a", 200, 99.0)
    lines = metrics.text(images_waiting=3).splitlines()
    assert 'keras_fcn_request_seconds_bucket{le="0.005"} 0' in lines
    assert 'keras_fcn_request_seconds_bucket{le="0.01"} 1' in lines
    assert 'keras_fcn_request_seconds_bucket{le="30.0"} 1' in lines
    assert 'keras_fcn_request_seconds_bucket{le="+Inf"} 2' in lines
    assert "# TYPE keras_fcn_images_waiting gauge" in lines
    assert "keras_fcn_images_waiting 3" in lines


def test_limits_of_a_task():
    assert Limits().of_task("map").pixels < Limits().of_task("classes").pixels
    assert Limits(max_pixels=5).of_task("classes").pixels == 5


def test_labels_are_the_same_in_memory_and_in_a_file(tmp_path):
    labels = np.arange(12).reshape(3, 4)
    save_labels(tmp_path / "x.png", labels)
    assert (tmp_path / "x.png").read_bytes() == labels_png(labels)
