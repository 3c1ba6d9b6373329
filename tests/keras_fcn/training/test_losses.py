from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_fcn.training import PixelwiseCrossEntropy, median_frequency_weights


@pytest.fixture
def pixels():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (2, 4, 5)).astype(np.int32)
    labels[0, 0] = 255
    return labels, rng.normal(size=(2, 4, 5, 3)).astype(np.float32)


def by_hand(labels, logits, weights=(1.0, 1.0, 1.0)):
    """Sum over counted pixels, and how many there are."""
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    places = np.argwhere(labels != 255)
    losses = [-weights[labels[tuple(p)]] * logs[(*p, labels[tuple(p)])] for p in places]
    return np.sum(losses), len(places)


@pytest.mark.parametrize(
    ("normalization", "divisor"), [("valid", 35), ("full", 40), ("batch_size", 2)]
)
def test_value_by_hand(pixels, normalization, divisor):
    total, count = by_hand(*pixels)
    assert count == 35
    loss = PixelwiseCrossEntropy(normalization=normalization)
    assert float(loss(*pixels)) == pytest.approx(total / divisor, rel=1e-5)
    assert float(loss(pixels[0][..., None], pixels[1])) == pytest.approx(total / divisor, rel=1e-5)


def test_class_weights_multiply_and_the_divisor_stays(pixels):
    weights = (0.5, 2.0, 0.0)
    total, count = by_hand(*pixels, weights)
    loss = PixelwiseCrossEntropy(class_weights=weights)
    assert float(loss(*pixels)) == pytest.approx(total / count, rel=1e-5)


def test_probabilities_give_the_loss_of_their_logits(pixels):
    labels, logits = pixels
    probabilities = keras.ops.softmax(logits)
    one = PixelwiseCrossEntropy()(labels, logits)
    other = PixelwiseCrossEntropy(from_logits=False)(labels, probabilities)
    assert float(one) == pytest.approx(float(other), rel=1e-5)


def test_large_logits_and_half_precision_stay_finite():
    logits = np.array([[[[3e4, -3e4]]]], np.float16)
    loss = PixelwiseCrossEntropy()(np.ones((1, 1, 1), np.int32), logits)
    assert loss.dtype == "float32"
    assert float(loss) == pytest.approx(6e4, rel=1e-3)


def test_a_batch_of_ignored_pixels_has_no_loss(pixels):
    assert float(PixelwiseCrossEntropy()(np.full((2, 4, 5), 255), pixels[1])) == 0


def test_keras_trains_with_it_and_knows_it_again(pixels):
    loss = PixelwiseCrossEntropy(254, (1.0, 2.0), normalization="full")
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.get_config() == loss.get_config()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"normalization": "mean"}, "'mean'"), ({"class_weights": (1, -1)}, "at least 0")],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        PixelwiseCrossEntropy(**arguments)


def test_median_frequency_by_hand(data):
    train, _ = data
    masks = [mask for _, mask in train]
    frequencies = []
    for index in range(4):
        around = sum(mask.size for mask in masks if (mask == index).any())
        frequencies.append(sum((mask == index).sum() for mask in masks) / around)
    expected = np.median(frequencies) / frequencies
    np.testing.assert_allclose(median_frequency_weights(train), expected, rtol=1e-6)
