"""Caffe's weight layouts and Keras', against plain numpy transposes."""

from __future__ import annotations

import numpy as np
import pytest

from keras_fcn.caffe.layers import LAYER_TYPES, layout
from keras_fcn.caffe.layers.base import caffe_layer
from keras_fcn.caffe.layers.convolution import Convolution
from keras_fcn.caffe.layers.inner_product import InnerProduct

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(6, 3, 5, 2), (6, 1, 3, 3), (4, 2, 7), (4, 2, 3, 2, 5), (4, 3)])
def test_convolution_kernel(shape):
    blob = RNG.random(shape, np.float32)
    weight = layout.conv_kernel(blob)
    wanted = np.moveaxis(blob, (0, 1), (-1, -2))  # OIHW -> HWIO
    assert weight.shape == wanted.shape
    assert np.shares_memory(weight.source, blob)
    np.testing.assert_array_equal(weight.array(), wanted)
    np.testing.assert_array_equal(layout.conv_kernel_blob(weight.array()), blob)


def test_dense_kernel_of_a_plain_vector():
    blob = RNG.random((5, 12), np.float32)
    for channels in (None, 12):
        weight = layout.dense_kernel(blob, channels)
        np.testing.assert_array_equal(weight.array(), blob.T)
        np.testing.assert_array_equal(layout.dense_kernel_blob(weight.array(), channels), blob)


@pytest.mark.parametrize(("channels", "height", "width"), [(3, 4, 2), (1, 4, 3), (24, 1, 1)])
def test_dense_kernel_over_a_map(channels, height, width):
    blob = RNG.random((5, channels * height * width), np.float32)
    weight = layout.dense_kernel(blob, channels)
    maps = blob.reshape(5, channels, height, width)
    np.testing.assert_array_equal(weight.array(), maps.transpose(2, 3, 1, 0).reshape(-1, 5))
    np.testing.assert_array_equal(layout.dense_kernel_blob(weight.array(), channels), blob)


def test_dense_kernel_computes_what_caffe_computes():
    image = RNG.random((2, 3, 4, 5), np.float32)
    blob = RNG.random((6, 60), np.float32)
    caffe = image.reshape(2, -1) @ blob.T
    keras = image.transpose(0, 2, 3, 1).reshape(2, -1) @ layout.dense_kernel(blob, 3).array()
    np.testing.assert_allclose(keras, caffe, rtol=1e-5)


def test_cast_kernel_holds_the_same_numbers():
    weight = layout.dense_kernel(RNG.random((5, 24), np.float32), 3)
    cast = layout.cast_kernel(weight, 3, (4, 2))
    assert cast.shape == (4, 2, 3, 5)
    np.testing.assert_array_equal(cast.array(), weight.array().reshape(4, 2, 3, 5))
    with pytest.raises(ValueError, match="a map of 4 x 3 x 3 does not give its 24 inputs"):
        layout.cast_kernel(weight, 3, (4, 3))


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("channels", [None, 3])
def test_inner_product_layer(transpose, channels):
    params = InnerProduct(num_output=5, transpose=transpose)
    weight, bias = RNG.random((5, 24), np.float32), RNG.random(5, np.float32)
    stored = weight.T.copy() if transpose else weight
    kernel, bias_out = params.keras_weights([stored, bias], channels)
    wanted = (
        weight if channels is None else weight.reshape(5, 3, 8).transpose(0, 2, 1).reshape(5, 24)
    )
    np.testing.assert_array_equal(kernel.array(), wanted.T)
    np.testing.assert_array_equal(bias_out.array(), bias)
    assert (kernel.name, bias_out.name) == ("kernel", "bias")
    back = params.caffe_blobs([kernel.array(), bias], channels)
    np.testing.assert_array_equal(back[0], stored)
    np.testing.assert_array_equal(back[1], bias)


def test_convolution_layer_without_bias():
    params = Convolution(num_output=4, kernel_size=(3,), bias_term=False, group=2)
    blob = RNG.random((4, 2, 3, 3), np.float32)
    (kernel,) = params.keras_weights([blob], None)
    np.testing.assert_array_equal(kernel.array(), blob.transpose(2, 3, 1, 0))
    np.testing.assert_array_equal(params.caffe_blobs([kernel.array()], None)[0], blob)


def test_a_type_is_registered_once():
    with pytest.raises(ValueError, match="'Convolution' is registered twice"):
        caffe_layer("Convolution")(Convolution)
    assert LAYER_TYPES["Convolution"] is Convolution


def test_statistics_are_written_so_that_they_read_the_same_ever_after():
    rng = np.random.default_rng(0)
    for weight in (*rng.uniform(1e-3, 2000, 50), 999.9823, 1, 0):
        factor = np.array([weight], np.float32)
        mean, variance = rng.normal(size=(2, 500)).astype(np.float32)
        first = layout.statistics_blobs(mean, variance, factor)
        read = [w.source for w in layout.statistics(*first)]
        np.testing.assert_allclose(read[0], mean, rtol=2e-7)
        second = layout.statistics_blobs(*read)
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)


def test_statistics_of_a_tiny_weight_are_infinite_without_a_warning():
    mean, variance, _ = layout.statistics(
        np.array([1e30, 0], np.float32), np.ones(2), np.array([1e-40], np.float32)
    )
    assert np.isinf(mean.source[0])
    assert np.isinf(variance.source).all()
