"""Fine-tuning a converted network on (image, mask) pairs with plain Keras."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn


def pairs(count, size, map_size, seed=0):
    """Bright squares on a dark ground; the mask is theirs, at the map's size."""
    rng = np.random.default_rng(seed)
    images = rng.normal(0, 0.1, (count, size, size, 1)).astype(np.float32)
    masks = np.zeros((count, map_size, map_size), np.int32)
    for image, mask in zip(images, masks, strict=True):
        row, column = rng.integers(0, map_size - 3, 2)
        mask[row : row + 3, column : column + 3] = 1
        image[4 * row + 10 : 4 * row + 26, 4 * column + 10 : 4 * column + 26] += 1
    return images, masks


@pytest.fixture
def tuned():
    keras.utils.set_random_seed(0)
    model = keras_fcn.replace_head(keras_fcn.LeNetFCN(), 2)
    for layer in model.layers:
        layer.trainable = layer.name not in ("conv1", "conv2")
    model.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(ignore_class=255),
    )
    return model


@pytest.mark.slow
def test_the_loss_falls_and_frozen_layers_stay(tuned):
    images, masks = pairs(16, 64, 10)
    masks[:, 0] = 255
    frozen = {name: tuned.get_layer(name).get_weights() for name in ("conv1", "conv2")}
    head = tuned.get_layer("score").get_weights()
    history = tuned.fit(images, masks, epochs=6, batch_size=8, verbose=0).history["loss"]
    assert history[-1] < 0.5 * history[0]
    for name, before in frozen.items():
        for old, new in zip(before, tuned.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(new, old)
    assert np.abs(tuned.get_layer("score").get_weights()[0] - head[0]).max() > 1e-3


@pytest.mark.slow
def test_saved_training_resumes_where_it_was(tuned, tmp_path):
    images, masks = pairs(8, 64, 10)

    def train(model, epochs):
        model.fit(images, masks, epochs=epochs, batch_size=4, shuffle=False, verbose=0)
        return model

    train(tuned, 1).save(tmp_path / "half.keras")
    straight = train(tuned, 1).get_weights()
    resumed = train(keras.models.load_model(tmp_path / "half.keras"), 1).get_weights()
    for one, other in zip(straight, resumed, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    frozen = keras.models.load_model(tmp_path / "half.keras").get_layer("conv1")
    assert not frozen.trainable


@pytest.mark.slow
def test_flat_view_trains_as_the_map_does():
    keras.utils.set_random_seed(0)
    body = keras_fcn.LeNetFCN(classes=2, classifier_activation=None)
    flat = keras.Sequential([keras.Input((None, None, 1)), *body.layers])
    flat.add(keras_fcn.PixelwiseSoftmax(flatten=True))
    images, masks = pairs(4, 64, 10)
    flat.compile("sgd", "sparse_categorical_crossentropy")
    body.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    flattened = flat.evaluate(images, masks.reshape(4, -1), verbose=0)
    assert flattened == pytest.approx(body.evaluate(images, masks, verbose=0), rel=1e-4)


def test_mixed_precision_keeps_the_head_in_float32():
    x = np.random.default_rng(0).random((1, 48, 48, 1), np.float32)
    keras.utils.set_random_seed(0)
    exact = keras_fcn.LeNetFCN()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = keras_fcn.LeNetFCN()
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.set_weights(exact.get_weights())
    assert mixed.get_layer("conv1").compute_dtype == "bfloat16"
    scores = mixed.predict(x, verbose=0)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(-1), 1, atol=1e-6)
    np.testing.assert_allclose(scores, exact.predict(x, verbose=0), atol=0.02)


@pytest.mark.slow
def test_caffenet_trains_through_groups_and_normalization():
    keras.utils.set_random_seed(0)
    body = keras_fcn.CaffeNetFCN(include_top=False)
    model = keras.Sequential([keras.Input((None, None, 3)), *body.layers])
    model.add(keras.layers.Conv2D(2, 1, name="score"))
    model.compile(
        keras.optimizers.Adam(1e-4), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    images = np.random.default_rng(0).random((2, 99, 99, 3), np.float32)
    masks = np.array([[[0, 1], [1, 0]], [[1, 1], [0, 0]]])
    before = model.get_layer("conv2").get_weights()[0]
    losses = [model.train_on_batch(images, masks) for _ in range(5)]
    assert losses[-1] < losses[0]
    assert np.abs(model.get_layer("conv2").get_weights()[0] - before).max() > 0
