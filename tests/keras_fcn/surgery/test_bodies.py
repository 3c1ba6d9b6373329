"""Layers before the vectors: each does the same at every position of a map, or the cast refuses."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from keras.src.applications import convnext

import convert
import keras_fcn
from keras_fcn import layers as own

HEIGHT, WIDTH = 12, 10
CONSTANT = np.ones((HEIGHT - 2, WIDTH - 2, 4), np.float32)


def classifier(between):
    """A Conv2D, the layers under test, Flatten and Dense."""
    image = keras.Input((HEIGHT, WIDTH, 3))
    x = between(layers.Conv2D(4, 3, name="conv")(image))
    model = keras.Model(image, layers.Dense(3, name="fc")(layers.Flatten()(x)))
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if weight.dtype == "float32":
            weight.assign(rng.uniform(0.3, 1.5, weight.shape))
    return model


def nested(layer):
    inner = keras.Input((None, None, 4))
    return keras.Model(inner, layer(inner), name="inner")


class Mish(keras.layers.Layer):
    """A layer of somebody's own, of which nothing is known."""

    def call(self, inputs):
        return keras.activations.mish(inputs)


@keras.saving.register_keras_serializable(package="tests")
def steep(x):
    return ops.tanh(2 * x)


REFUSED = {
    "GroupNormalization": layers.GroupNormalization(2),
    "LayerNormalization of all": layers.LayerNormalization(axis=[1, 2, 3]),
    "LayerNormalization of rows": layers.LayerNormalization(axis=1),
    "Lambda": layers.Lambda(lambda x: x - ops.mean(x, (1, 2), keepdims=True)),
    "layer of one's own": Mish(),
    "mean of rows": lambda x: x - ops.mean(x, axis=1, keepdims=True),
    "mean of the map": lambda x: x - ops.mean(x, axis=(1, 2), keepdims=True),
    "attention": lambda x: layers.MultiHeadAttention(1, 2)(x, x),
    "cumsum": lambda x: ops.cumsum(x, axis=1),
    "flip": lambda x: ops.flip(x, axis=1),
    "roll": lambda x: ops.roll(x, 1, axis=2),
    "sort": lambda x: ops.sort(x, axis=1),
    "Concatenate": lambda x: layers.Concatenate(axis=1)([x, x]),
    "Softmax": layers.Softmax(axis=1),
    "UnitNormalization": layers.UnitNormalization(axis=[1, 2]),
    "Resizing": layers.Resizing(6, 6),
    "CenterCrop": layers.CenterCrop(8, 6),
    "first rows": lambda x: x[:, :9],
    "every other row backwards": lambda x: x[:, ::-2],
    "constant map": lambda x: x + CONSTANT,
    "constant rows": lambda x: ops.maximum(CONSTANT[:, :1, :1], x),
    "Rescaling": layers.Rescaling(CONSTANT),
    "BatchNormalization": layers.BatchNormalization(axis=1),
    "Normalization": layers.Normalization(axis=1, mean=np.ones(10), variance=np.ones(10)),
    "PReLU": layers.PReLU(),
    "inside": nested(layers.GroupNormalization(1)),
    "MVN": own.MVN(),
    "Normalize": own.Normalize(across_spatial=True),
    "Interp": own.Interp((6, 6)),
    "Tile": own.Tile(2, axis=2),
    "Slice": lambda x: own.Slice([4], axis=2)(x)[0],
    "equal parts": lambda x: own.Slice(2, axis=2)(x)[1],
    "Scale": own.Scale(shape=(10,), axis=2),
    "Bias": own.Bias(shape=(4, 10, 8), axis=1),
}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("case", REFUSED)
def test_what_differs_from_position_to_position_is_refused_by_name(case):
    model = classifier(REFUSED[case])
    with pytest.raises(
        convert.CaffeError,
        match=r"(at every position|beside what becomes).*Received: layer '(?!conv|flatten|fc)",
    ):
        keras_fcn.to_fully_convolutional(model)


def test_a_function_of_each_element_can_be_told():
    """The message says how."""
    with pytest.raises(convert.CaffeError, match=r"keras\.layers\.Activation\(function\).*'mish'"):
        keras_fcn.to_fully_convolutional(classifier(Mish(name="mish")))
    check(classifier(layers.Activation(steep)))


KEPT = {
    "rows cut off": lambda x: x[:, 1:, :-1],
    "channels": lambda x: x[..., 1:3],
    "elements": lambda x: ops.sin(x) + ops.where(x > 1, 0.5, np.arange(4, dtype=np.float32)),
    "along channels": lambda x: ops.logsumexp(x, axis=-1, keepdims=True),
    "SpectralNormalization": layers.SpectralNormalization(layers.Conv2D(2, 3)),
    "augmentation": layers.RandomFlip(),
    "PReLU": layers.PReLU(shared_axes=[1, 2]),
    "ConvNeXt": lambda x: convnext.StochasticDepth(0.1)(convnext.LayerScale(0.5, 4)(x)),
    "Cropping2D": layers.Cropping2D(((1, 0), (0, 2))),
    "inside": nested(layers.DepthwiseConv2D(3)),
    "branches": lambda x: layers.Add()([layers.Conv2D(4, 3)(x), layers.Cropping2D(1)(x)]),
}


@pytest.mark.parametrize("case", KEPT)
def test_what_does_the_same_at_every_position_is_cast(case):
    check(classifier(KEPT[case]))


def check(model):
    """Every position of the cast is the classifier on its crop."""
    fcn = keras_fcn.to_fully_convolutional(model)
    image = np.random.default_rng(1).normal(size=(1, HEIGHT + 8, WIDTH + 6, 3)).astype(np.float32)
    cells = np.asarray(fcn(image, training=False))
    assert cells.shape == (1, 9, 7, 3)
    for row, column in ((0, 0), (3, 1), (8, 6)):
        part = image[:, row : row + HEIGHT, column : column + WIDTH]
        crop = np.asarray(model(part, training=False))
        np.testing.assert_allclose(
            cells[:, row, column], crop, rtol=0, atol=1e-5 * np.abs(crop).max()
        )


def test_a_mean_that_keeps_its_axes_is_global_pooling():
    check(classifier(lambda x: ops.mean(x, axis=(1, 2), keepdims=True)))


def test_low_rank_updates_of_a_dense_layer_are_merged():
    model = classifier(lambda x: x)
    model.get_layer("fc").enable_lora(2)
    for weight in model.get_layer("fc").weights:
        weight.assign(np.random.default_rng(2).normal(size=weight.shape))
    check(model)


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


@pytest.mark.usefixtures("channels_first")
@pytest.mark.parametrize("pool", [own.CaffeAveragePooling2D, own.CaffeMaxPooling2D])
def test_the_form_of_images_in_the_settings_changes_no_cast(pool):
    image = keras.Input((6, 5, 3))
    pooled = pool(global_pooling=True, name="pool")(image)
    model = keras.Model(image, layers.Dense(2)(layers.Reshape((3,))(pooled)))
    x = np.random.default_rng(3).normal(size=(1, 8, 8, 3)).astype(np.float32)
    cells = np.asarray(keras_fcn.to_fully_convolutional(model)(x))
    assert cells.shape == (1, 3, 4, 2)
    np.testing.assert_allclose(cells[:, 2, 3], model(x[:, 2:, 3:]), rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("channels_first")
@pytest.mark.parametrize(
    "operation",
    [keras_fcn.to_fully_convolutional, lambda model: keras_fcn.with_output_stride(model, 1)],
)
def test_models_of_channels_first_are_refused_by_name(operation):
    image = keras.Input((3, 12, 10))
    x = layers.Conv2D(2, 3, strides=2, name="first")(image)
    model = keras.Model(image, layers.Dense(2)(layers.Flatten()(x)))
    with pytest.raises(
        convert.CaffeError, match=r"'first'.*channels_first|channels_first.*'first'"
    ):
        operation(model)


@pytest.mark.parametrize(
    "operation",
    [keras_fcn.to_fully_convolutional, lambda model: keras_fcn.with_output_stride(model, 1)],
)
def test_a_saved_model_has_no_layers_to_cast(operation, tmp_path):
    module = tf.Module()
    spec = tf.TensorSpec((None, 4, 4, 1), name="data")
    served = {"serving_default": tf.function(lambda data: {"out": data}, input_signature=[spec])}
    tf.saved_model.save(module, tmp_path / "served", served)
    with pytest.raises(ValueError, match=r"a SavedModel has no layers.*'served'"):
        operation(keras_fcn.load(tmp_path / "served"))
