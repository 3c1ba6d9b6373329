"""Denser maps of branches whose sizes agree by rounding, and layers that fit one size alone."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

import convert
import keras_fcn


def padded(x):
    return layers.ZeroPadding2D(1)(x)


def residual(x, pool, join):
    first = layers.Conv2D(4, 3, strides=2)(padded(x))
    return join([layers.Conv2D(4, 3, strides=2)(padded(first)), pool(first)])


JOINED = {
    "sum": lambda x: residual(x, layers.MaxPooling2D(2), layers.Add()),
    "channels": lambda x: residual(x, layers.AveragePooling2D(2), layers.Concatenate()),
    "windows": lambda x: layers.Add()(
        [layers.Conv2D(4, 3, strides=2)(x), layers.Conv2D(4, 2, strides=2)(x)]
    ),
    "strides kept in part": lambda x: layers.Maximum()(
        [
            layers.AveragePooling2D(2, strides=4)(x),
            layers.MaxPooling2D(2)(layers.Conv2D(3, 2, strides=2)(x)),
        ]
    ),
    "then more": lambda x: layers.Conv2D(2, 2)(JOINED["sum"](x)),
    "gated": lambda x: gated(JOINED["sum"](x)),
}


def gated(x):
    return x * layers.Conv2D(4, 1)(layers.ReLU()(x))


@pytest.mark.parametrize(
    ("case", "shape"), [*((case, (None, None, 3)) for case in JOINED), ("sum", (24, 20, 3))]
)
def test_every_old_position_stands_in_the_denser_map(case, shape):
    x = keras.Input(shape)
    model = keras.Model(x, JOINED[case](x))
    size = (23, 19) if case == "windows" else (24, 20)  # of odd sizes its two maps are one size
    image = np.random.default_rng(0).normal(size=(1, *size, 3)).astype(np.float32)
    old = np.asarray(model(image))
    own = 2 if case == "windows" else 4
    for output_stride in (1, 2):
        ratio = own // output_stride
        new = np.asarray(keras_fcn.with_output_stride(model, output_stride)(image))
        part = new[:, ::ratio, ::ratio][:, : old.shape[1], : old.shape[2]]
        np.testing.assert_allclose(part, old, rtol=0, atol=1e-5 * np.abs(old).max())


def test_maps_of_one_size_are_joined_as_they_are():
    x = keras.Input((None, None, 3))
    sides = [layers.Conv2D(4, 1, strides=2)(x), layers.Conv2D(4, 3, strides=2)(padded(x))]
    dense = keras_fcn.with_output_stride(keras.Model(x, layers.Add()(sides)), 1)
    assert not [layer.name for layer in dense.layers if "common" in layer.name]


ONE_SIZE = {
    "norm": layers.BatchNormalization(axis=1, name="norm"),
    "slope": layers.PReLU(name="slope"),
    "add": lambda x: x + np.ones((12, 1, 1), np.float32),
    "scaled": keras_fcn.layers.Scale(shape=(12,), axis=2, name="scaled"),
}


@pytest.mark.parametrize("name", ONE_SIZE)
def test_numbers_of_each_position_have_no_place_on_a_denser_map(name):
    x = keras.Input((24, 20, 3))
    model = keras.Model(x, ONE_SIZE[name](layers.MaxPooling2D(2)(x)))
    with pytest.raises(convert.CaffeError, match=rf"'{name}\w*' .*own for each position"):
        keras_fcn.with_output_stride(model, 1)
    image = np.ones((1, 24, 20, 3), np.float32)
    same = keras_fcn.with_output_stride(model, 2)
    np.testing.assert_array_equal(np.asarray(same(image)), np.asarray(model(image)))


@pytest.mark.parametrize(
    ("output_stride", "message"), [(3, "come to 4 pixels.*; 2 of them"), (8, "to 4 pixels")]
)
def test_the_stride_that_is_named_is_the_networks(output_stride, message):
    with pytest.raises(ValueError, match=message):
        keras_fcn.with_output_stride(keras_fcn.LeNetFCN(), output_stride)
