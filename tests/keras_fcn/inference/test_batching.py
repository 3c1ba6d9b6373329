"""Images in batches: order, sizes, networks that mix the images of a batch."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.caffe.errors import CaffeWarning
from keras_fcn.inference.jobs import Job, results
from keras_fcn.inference.segmentation import segmenting
from keras_fcn.preprocessing import Preprocessing


def job(sizes, together=lambda batch: [x.sum() for x in batch]):
    """A job that sums the pixels, and notes how many images go together."""

    def infer_many(batch):
        sizes.append(len(batch))
        return together(batch)

    return Job(1, lambda x: x, lambda x: x.sum(), lambda x, _: float(x), infer_many)


def images(*lengths):
    return [np.full((length, 2, 1), index, np.float32) for index, length in enumerate(lengths)]


def test_neighbours_of_one_size_go_together(tmp_path):
    sizes = []
    given = images(3, 3, 3, 3, 3, 5, 3, 3)
    given.insert(2, tmp_path / "absent.png")
    found = list(results(job(sizes), given, batch=3))
    assert sizes == [3, 2, 2]
    assert [x.answer for x in found] == [0, 6, None, 12, 18, 24, 50, 36, 42]
    assert [x.error is None for x in found].count(False) == 1
    assert list(results(job([]), [tmp_path / "absent.png"] * 30, batch=3))[29].error is not None


def test_a_batch_that_fails_is_run_one_by_one():
    def fails(batch):
        raise ValueError("too many")

    assert [x.answer for x in results(job([], fails), images(1, 1, 1), batch=2)] == [0, 2, 4]


def test_networks_that_mix_images_run_one_by_one():
    sizes = []
    mixing = job(sizes, lambda batch: [batch.sum()] * len(batch))
    with pytest.warns(CaffeWarning, match="other numbers for images in a batch"):
        found = [x.answer for x in results(mixing, images(1, 1, 1, 1, 1), batch=2)]
    assert found == [0, 2, 4, 6, 8]
    assert sizes == [2]


def test_batches_of_a_network_give_the_same_labels():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Conv2D(4, 3, activation="softmax")(image))
    random = np.random.default_rng(0)
    given = [random.integers(0, 256, (size, 9, 3), np.uint8) for size in (8, 8, 8, 7, 8)]
    plain = segmenting(model, Preprocessing(mean=None))
    alone = [x.answer for x in results(plain, given)]
    for one, other in zip(alone, results(plain, given, batch=4), strict=True):
        np.testing.assert_array_equal(other.answer, one)


def test_a_hundred_sizes_are_few_compilations(tmp_path):
    (tmp_path / "net.prototxt").write_text(
        """layer { name: "data" type: "Input" top: "data"
          input_param { shape { dim: 1 dim: 3 dim: 16 dim: 16 } } }
        layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
          convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
        layer { name: "prob" type: "Softmax" bottom: "conv" top: "prob" }"""
    )
    model = keras_fcn.from_caffe(tmp_path / "net.prototxt", seed=0)
    given = [np.zeros((10 + side, 110 - side, 3), np.uint8) for side in range(100)]
    found = keras_fcn.segment(model, given, preprocessing=Preprocessing(mean=None))
    assert [x.shape for x in found] == [x.shape[:2] for x in given]
    assert 0 < model._passes.traces <= 8
