from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from keras_fcn.preprocessing.resampling import half_pixel, resample
from keras_fcn.training.alignment import Alignment
from tests.keras_fcn.training import autodiff


@pytest.fixture
def scores():
    return np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype(np.float32)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    "axes", [None, ((11.0, 8.0), (3.5, 7.0))], ids=["shared evenly", "by their centres"]
)
def test_enlarged_scores_are_those_of_segment(scores, axes, compiled):
    height, width = 37, 41
    if axes is None:
        places = half_pixel(4, height), half_pixel(5, width)
    else:
        places = tuple(
            (np.arange(n) - offset) / stride
            for n, (offset, stride) in zip((height, width), axes, strict=True)
        )

    def enlarge(scores, image):
        return Alignment(axes).enlarge(scores, ops.shape(image)[1:3])

    if compiled:
        maps, images = ("float32", (None, None, None, 3)), ("float32", (None, None, None))
        enlarge = autodiff.compiled(enlarge, maps, images)
    actual = enlarge(*map(ops.convert_to_tensor, (scores, np.zeros((1, height, width), "f"))))
    np.testing.assert_allclose(autodiff.array(actual), resample(scores, *places), atol=1e-5)


def test_a_map_as_fine_as_the_image_stays(scores):
    assert Alignment(((3.0, 1.0), (3.0, 1.0))).enlarge(scores, (4, 5)) is scores


def test_labels_are_picked_at_the_centres():
    labels = np.arange(20 * 24).reshape(1, 20, 24)
    picked = Alignment(((-3.0, 8.0), (2.0, 6.0))).pick(ops.convert_to_tensor(labels), (3, 4), 255)
    expected = labels[:, np.ix_([5, 13], [2, 8, 14, 20])[0], [2, 8, 14, 20]]
    assert (autodiff.array(picked)[:, 0] == 255).all()
    np.testing.assert_array_equal(autodiff.array(picked)[:, 1:], expected)


def test_labels_of_cells_that_share_the_image():
    labels = np.arange(8).reshape(1, 8, 1)
    picked = Alignment().pick(ops.convert_to_tensor(labels), (2, 1), 255)
    np.testing.assert_array_equal(np.ravel(autodiff.array(picked)), [2, 6])


def test_the_network_tells_where_its_cells_lie():
    inputs = keras.Input((None, None, 1))
    scores = keras.layers.Conv2D(2, 5, strides=4, name="score")(inputs)
    assert Alignment.of([inputs], scores).axes == ((2.0, 4.0), (2.0, 4.0))
