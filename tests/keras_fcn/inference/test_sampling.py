"""Networks that drop when they are used, and what many passes tell."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.core.model import CaffeFunctional
from keras_fcn.layers import SampledDropout


@pytest.fixture
def dropping():
    inputs = keras.Input((3,))
    return CaffeFunctional(inputs, SampledDropout(0.25, seed=1)(inputs))


def test_each_pass_drops_anew(dropping):
    x = np.ones((1000, 3), np.float32)
    first, second = (dropping.predict(x, batch_size=1000, verbose=0) for _ in range(2))
    assert (first != second).any()
    for outputs in (first, second):
        np.testing.assert_allclose(outputs[outputs != 0], 4 / 3, rtol=1e-6)
        assert (outputs == 0).mean() == pytest.approx(0.25, abs=0.05)


def test_mean_and_variance_of_many_passes(dropping):
    x = np.array([[1, 2, 0]] * 50, np.float32)
    mean, variance = keras_fcn.monte_carlo(dropping, x, samples=60)
    assert mean.shape == variance.shape == x.shape
    np.testing.assert_allclose(mean.mean(axis=0), [1, 2, 0], atol=0.1)
    # A share p dropped, and 1 / (1 - p) of the rest: the variance is x ** 2 * p / (1 - p).
    np.testing.assert_allclose(variance.mean(axis=0), [1 / 3, 4 / 3, 0], atol=0.1)


def test_variance_is_that_of_the_samples():
    class Counting:
        def __init__(self):
            self.calls = 0

        def predict(self, images, verbose):
            self.calls += 1
            return images + self.calls

    mean, variance = keras_fcn.monte_carlo(Counting(), np.full((1, 2), 1e4), samples=4)
    np.testing.assert_allclose(mean, 1e4 + np.mean([1, 2, 3, 4]))
    np.testing.assert_allclose(variance, np.var([1, 2, 3, 4]))


def test_a_network_that_drops_nothing_has_no_variance():
    model = keras_fcn.LeNet()
    _, variance = keras_fcn.monte_carlo(model, np.ones((1, 28, 28, 1), np.float32), samples=3)
    assert not variance.any()


@pytest.mark.slow
def test_bayesian_segnet_is_less_sure_than_segnet():
    keras.utils.set_random_seed(0)
    model = keras_fcn.BayesianSegNetBasic(classes=3)
    image = np.random.default_rng(0).uniform(0, 255, (1, 24, 32, 3)).astype(np.float32)
    mean, variance = keras_fcn.monte_carlo(model, image, samples=4)
    assert mean.shape == (1, 24, 32, 3)
    np.testing.assert_allclose(mean.sum(axis=-1), 1, atol=1e-5)
    assert variance.max() > 0


def test_no_samples():
    with pytest.raises(ValueError, match=r"samples must be at least 1.*samples=0"):
        keras_fcn.monte_carlo(None, np.ones((1, 2)), samples=0)
