"""Layers and models with a call of their own are not taken for what they are made from."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.errors import ModelError
from keras_fcn.training.networks import scores

layers = keras.layers


class Pool(layers.MaxPooling2D):
    def call(self, x):
        return 2 * super().call(x)


class Strided(layers.Conv2D):
    def call(self, x):
        return 2 * super().call(x)


class Wide(layers.ReLU):
    def call(self, x):
        return keras.ops.roll(x, 1, axis=1)


class Products(layers.Dense):
    def call(self, x):
        return 2 * super().call(x)


class Flat(layers.Flatten):
    def call(self, x):
        return super().call(x)[:, ::-1]


class Soft(layers.Softmax):
    def call(self, x):
        return super().call(2 * x)


class Functional(keras.Model):
    def call(self, x, **kwargs):
        return 2 * super().call(x, **kwargs)


class Chain(keras.Sequential):
    def call(self, x, **kwargs):
        return 2 * super().call(x, **kwargs)


class Plain(layers.MaxPooling2D):
    """As its base, with a method more."""

    def cells(self):
        return self.pool_size


def made(*stack, cls=keras.Model):
    x = image = keras.Input((12, 12, 3))
    for layer in stack:
        x = layer(x)
    return cls(image, x)


def patched(layer):
    layer.call = lambda x: 5 * x
    return layer


def classifier(cls=keras.Model, flatten=layers.Flatten, dense=layers.Dense):
    if cls is Chain:
        return Chain([keras.Input((12, 12, 3)), flatten(), dense(4)])
    return made(flatten(), dense(4), cls=cls)


@pytest.mark.parametrize(
    ("stack", "why"),
    [
        ([Pool(2, name="a"), layers.Conv2D(2, 3)], r"layer 'a' \(Pool\) .*has a call of its own"),
        ([Strided(2, 3, strides=2, name="a")], r"layer 'a' \(Strided\) .*has a call of its own"),
        (
            [layers.MaxPooling2D(2), Wide(name="a")],
            r"layer 'a' \(Wide\) .*has a call of its own",
        ),
    ],
)
def test_a_stride_in_a_layer_with_its_own_call(stack, why):
    with pytest.raises(ModelError, match=why):
        keras_fcn.with_output_stride(made(*stack), 1)


def test_a_subclass_that_computes_as_its_base_gets_denser():
    model = made(Plain(2), layers.Conv2D(2, 3))
    x = np.random.default_rng(0).normal(size=(1, 12, 12, 3)).astype(np.float32)
    dense = keras_fcn.with_output_stride(model, 1)
    np.testing.assert_allclose(dense(x)[:, ::2, ::2][:, :4, :4], model(x), atol=1e-5)


@pytest.mark.parametrize(
    "operation",
    [
        lambda m: keras_fcn.with_output_stride(m, 1),
        keras_fcn.to_fully_convolutional,
        lambda m: keras_fcn.replace_head(m, 2),
        keras_fcn.receptive_field,
        keras_fcn.with_card,
    ],
)
@pytest.mark.parametrize("cls", [Functional, Chain])
def test_a_model_with_its_own_call(operation, cls):
    model = classifier(cls)
    with pytest.raises(ModelError, match=rf"\({cls.__name__}\) has a call of its own"):
        operation(model)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (classifier(flatten=Flat), "Flat: has a call of its own"),
        (classifier(dense=Products), "Products: has a call of its own"),
        (made(patched(layers.ReLU(name="a")), layers.Flatten()), "ReLU: .*has a call .* layer 'a'"),
        (made(layers.Flatten(), patched(layers.Dense(2))), "Dense: has a call of its own"),
        (
            made(
                keras.Sequential([keras.Input((12, 12, 3)), patched(layers.ReLU(name="in"))]),
                layers.Flatten(),
            ),
            r"layer 'in' \(ReLU\) .*has a call of its own",
        ),
    ],
)
def test_a_cast_of_layers_with_their_own_call(model, why):
    with pytest.raises(ModelError, match=why):
        keras_fcn.to_fully_convolutional(model)


def test_a_new_head_makes_layers_of_ones_own_again():
    head = keras_fcn.replace_head(classifier(dense=Products), 2, classifier_activation=None)
    assert isinstance(head.layers[-1], Products)
    with pytest.raises(ModelError, match=r"ReLU: has a call .*layer 'a'"):
        keras_fcn.replace_head(made(layers.Conv2D(2, 3), patched(layers.ReLU(name="a"))), 4)


def test_receptive_fields_end_at_a_call_of_ones_own():
    inner = keras.Input((12, 12, 3))
    for layer in (Wide(name="a"), Functional(inner, layers.ReLU()(inner), name="a")):
        fields = keras_fcn.receptive_field(made(layers.ReLU(name="before"), layer))
        assert fields["before"].size == (1, 1)
        assert fields["a"] is None
        assert "has a call of its own" in fields.unknown["a"]


def test_scores_under_a_softmax_with_its_own_call():
    with pytest.raises(ValueError, match=r"'a' \(Soft\), which has a call of its own"):
        scores(made(layers.Conv2D(2, 3), Soft(name="a")))
