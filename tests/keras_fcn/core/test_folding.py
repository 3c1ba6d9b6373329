"""Batch norms folded in passes for inference: the same numbers, and weights that still count."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as stock

from keras_fcn import layers
from keras_fcn.core.folding import folds_of
from keras_fcn.core.model import CaffeFunctional, CaffeSequential


def by_layers(model, x):
    with tf.GradientTape():
        return np.asarray(model(x, training=False))


def randomized(model, seed=0):
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        shape = tuple(weight.shape)
        values = rng.uniform(0.5, 2, shape) * rng.choice([-1, 1], shape)
        weight.assign(abs(values) if "variance" in weight.name else values)
    return model


KERNELS = {
    "stock": lambda bias: stock.Conv2D(6, 3, use_bias=bias, name="head"),
    "grouped": lambda bias: layers.GroupedConv2D(6, 3, groups=2, use_bias=bias, name="head"),
    "of each channel": lambda bias: layers.GroupedConv2D(
        8, 3, groups=4, use_bias=bias, name="head"
    ),
    "depthwise": lambda bias: stock.DepthwiseConv2D(
        3, depth_multiplier=2, use_bias=bias, name="head"
    ),
    "large": lambda bias: stock.Conv2D(64, 12, padding="same", use_bias=bias, name="head"),
}
CHAINS = {
    "caffe": lambda c: [layers.BatchNorm(), layers.Scale((c,), use_bias=True)],
    "no bias": lambda c: [layers.BatchNorm(use_global_stats=True), layers.Scale((c,))],
    "nvidia": lambda c: [layers.ScaledBatchNorm(), layers.Bias((c,))],
    "stock": lambda c: [stock.BatchNormalization()],
    "plain": lambda c: [stock.BatchNormalization(center=False, scale=False), layers.Bias((c,))],
    "segnet": lambda c: [layers.BN("inference")],
}


PAIRS = [
    *(("grouped", chain, bool(number % 2)) for number, chain in enumerate(CHAINS)),
    *((kernel, "caffe", bias) for kernel in KERNELS for bias in (True, False)),
]


@pytest.mark.parametrize(("kernel", "chain", "bias"), PAIRS)
def test_the_numbers_stay(kernel, chain, bias):
    head = KERNELS[kernel](bias)
    channels = head.compute_output_shape((None, 14, 14, 4))[-1]
    followers = CHAINS[chain](channels)
    model = CaffeSequential([keras.Input((None, None, 4)), head, *followers, stock.ReLU()])
    randomized(model)
    (fold,) = folds_of(model)
    assert len(fold.followers) == len(followers)
    x = np.random.default_rng(1).normal(size=(2, 14, 15, 4)).astype("f4")
    for _ in range(2):
        wanted = by_layers(model, x)
        found = model.predict(x, verbose=0)
        np.testing.assert_allclose(found, wanted, atol=1e-5 * abs(wanted).max())
        for layer in model.layers:  # what is learned afterwards counts
            for weight in layer.weights:
                weight.assign(weight * 1.5)
    assert model._passes.traces == 1


def _read_twice(x):
    y = stock.Conv2D(3, 3)(x)
    return stock.Add()([layers.BatchNorm()(y), y])


def _shared(x):
    conv, norm = stock.Conv2D(4, 3, padding="same"), layers.BatchNorm()
    return norm(conv(norm(conv(x))))


def _output_between(x):
    y = stock.Conv2D(3, 3)(x)
    return [y, layers.BatchNorm()(y)]


NOT_FOLDED = {
    "statistics of the batch": lambda x: layers.BatchNorm(False)(stock.Conv2D(3, 3)(x)),
    "SegNet's of the batch": lambda x: layers.BN("learn")(stock.Conv2D(3, 3)(x)),
    "an activation between": lambda x: layers.BatchNorm()(stock.Conv2D(3, 3, activation="relu")(x)),
    "one number": lambda x: layers.Scale(())(stock.Conv2D(3, 3)(x)),
    "along the height": lambda x: layers.Scale((4,), axis=2)(stock.Conv2D(3, 3)(x)),
    "Keras' along the height": lambda x: stock.BatchNormalization(axis=1)(stock.Conv2D(3, 3)(x)),
    "half precision": lambda x: layers.BatchNorm()(stock.Conv2D(3, 3, dtype="mixed_bfloat16")(x)),
    "read twice": _read_twice,
    "shared": _shared,
    "an output between": _output_between,
}


@pytest.mark.parametrize("case", NOT_FOLDED)
def test_what_is_not_folded(case):
    inputs = keras.Input((6, 6, 4))
    model = randomized(CaffeFunctional(inputs, NOT_FOLDED[case](inputs)))
    assert not folds_of(model)


def test_training_normalizes_by_the_batch():
    model = CaffeSequential(
        [keras.Input((6, 6, 2)), stock.Conv2D(3, 3), stock.BatchNormalization(), stock.Dropout(0.5)]
    )
    x = np.random.default_rng(1).normal(size=(8, 6, 6, 2)).astype("f4")
    model.predict(x, verbose=0)
    trained = np.asarray(model(x, training=True))
    assert (trained == 0).mean() > 0.3
    assert abs(trained.mean()) < 0.5


def test_a_layer_with_a_call_of_its_own_is_left_alone():
    class Own(layers.BatchNorm):
        def call(self, x, training=None):
            return x + 1

    model = CaffeSequential([keras.Input((6, 6, 2)), stock.Conv2D(3, 3), Own()])
    assert not folds_of(model)
