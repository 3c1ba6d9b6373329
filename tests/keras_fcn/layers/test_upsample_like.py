"""UpsampleLike undoes a pooling, whatever the sizes."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_fcn.layers import CaffeMaxPooling2D, Upsample, UpsampleLike


def pooled(x):
    return CaffeMaxPooling2D(2, strides=2, return_mask=True)(x)


@pytest.mark.parametrize("size", [(4, 6), (5, 6), (4, 7), (5, 7), (1, 1), (1, 8)])
def test_maxima_return_to_their_places(size):
    x = np.random.default_rng(0).permutation(2 * 3 * size[0] * size[1]).astype(np.float32) + 1
    x = x.reshape(2, *size, 3)
    maxima, mask = pooled(x)
    y = np.asarray(UpsampleLike()([maxima, mask, x]))
    assert y.shape == x.shape
    np.testing.assert_array_equal(y[y != 0], x[y != 0])
    assert (y != 0).sum() == np.asarray(maxima).size


def test_even_sizes_give_what_upsample_gives():
    x = np.random.default_rng(1).normal(size=(1, 6, 8, 2)).astype(np.float32)
    maxima, mask = pooled(x)
    np.testing.assert_array_equal(UpsampleLike()([maxima, mask, x]), Upsample(2)([maxima, mask]))


@pytest.mark.slow
def test_in_a_model_of_open_size(tmp_path):
    inputs = keras.Input((None, None, 2))
    model = keras.Model(inputs, UpsampleLike(name="up")([*pooled(inputs), inputs]))
    assert model.output_shape == (None, None, None, 2)
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    x = np.random.default_rng(2).normal(size=(1, 7, 5, 2)).astype(np.float32)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_gradients_go_to_the_maxima():
    import tensorflow as tf

    x = tf.constant(np.arange(1, 10, dtype=np.float32).reshape(1, 3, 3, 1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = UpsampleLike()([*pooled(x), x])
        loss = tf.reduce_sum(y * y)
    expected = np.zeros((3, 3))
    for row, column in ((1, 1), (1, 2), (2, 1), (2, 2)):
        expected[row, column] = 2 * (3 * row + column + 1)
    np.testing.assert_array_equal(tape.gradient(loss, x)[0, ..., 0], expected)
