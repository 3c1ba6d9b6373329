"""Random Keras models: what is written reads as the same numbers."""

from __future__ import annotations

import random

import keras
import pytest
from keras import ops

from tests.keras_fcn.to_caffe.trips import assert_same, randomized, round_trip

L = keras.layers

FUNCTIONS = ("relu", "relu6", "tanh", "sigmoid", "silu", "elu", "selu", "hard_sigmoid", "hard_silu")


def _same_size(pick, x):
    """A layer, or a few, that keep a map's size."""
    channels = x.shape[-1]
    kind = pick.choice(["same", "each", "norm", "pool", "excite", "arithmetic", "residual", "nest"])
    if kind == "same":
        filters, size = pick.randint(1, 6), pick.randint(1, 4)
        cls = pick.choice([L.Conv2D, L.SeparableConv2D])
        return cls(filters, size, padding="same", activation=pick.choice(FUNCTIONS))(x)
    if kind == "each":
        return L.Activation(pick.choice([*FUNCTIONS, "softmax", "softplus", "softsign"]))(x)
    if kind == "norm":
        means = [pick.uniform(-1, 1) for _ in range(channels)]
        return pick.choice(
            [
                L.BatchNormalization(scale=pick.random() < 0.5),
                L.Normalization(mean=means, variance=[pick.uniform(0.5, 2)] * channels),
                L.Rescaling(means, pick.uniform(-1, 1)),
                L.PReLU(shared_axes=pick.choice([[1, 2], [1, 2, 3]])),
            ]
        )(x)
    if kind == "pool":
        cls = pick.choice([L.MaxPooling2D, L.AveragePooling2D])
        return cls(pick.randint(2, 4), 1, padding="same")(x)
    if kind == "excite":
        gate = L.GlobalAveragePooling2D(keepdims=pick.random() < 0.5)(x)
        gate = L.Dense(channels, activation="sigmoid")(gate)
        return L.Multiply()([x, gate])
    if kind == "arithmetic":
        return pick.choice([lambda: x * 2.0 - 1, lambda: 1 - x / 3, lambda: ops.square(x) + x])()
    if kind == "residual":
        y = L.DepthwiseConv2D(3, padding="same")(x)
        return pick.choice([lambda: x + y, lambda: L.Maximum()([x, y]), lambda: x * y - x])()
    inner = [L.Conv2D(channels, 3, padding="same"), L.ReLU(), L.BatchNormalization()]
    nested = keras.Sequential([keras.Input(x.shape[1:]), *pick.sample(inner, 2)])
    return nested(nested(x)) if pick.random() < 0.5 else nested(x)


def _resized(pick, x):
    """A layer that changes a map's size."""
    small = min(x.shape[1:3]) < 5
    padding = "same" if small else pick.choice(["same", "valid"])
    step = 1 if small else pick.randint(1, 3)
    kinds = [
        lambda: L.Conv2D(pick.randint(1, 6), pick.randint(1, 4), strides=step, padding=padding),
        lambda: L.DepthwiseConv2D(3, strides=min(step, 2), padding=padding),
        lambda: L.MaxPooling2D(pick.randint(2, 4), step, padding=padding),
        lambda: L.AveragePooling2D(pick.randint(2, 3), step, padding=padding),
        lambda: L.ZeroPadding2D(((0, 1), (pick.randint(0, 2), 0))),
        lambda: L.Cropping2D(((1, 0), (0, 1))),
    ]
    if max(x.shape[1:3]) < 16:
        kinds += [
            lambda: L.UpSampling2D((2, 1)),
            lambda: L.Conv2DTranspose(3, pick.randint(1, 4), strides=2, padding=padding),
        ]
    layer = pick.choice(kinds)()
    y = layer(x)
    if pick.random() < 0.2 and y.shape[-1] == x.shape[-1] and min(y.shape[1:3]) > 4:
        y = layer(y)  # called again on a map of another size
    return y


def random_model(seed):
    """A functional model with one to three inputs and outputs."""
    pick = random.Random(seed)
    data = keras.Input((pick.randint(7, 13), pick.randint(7, 13), pick.randint(1, 4)), name="data")
    maps, outputs = [data], []
    for _ in range(pick.randint(3, 9)):
        x = pick.choice(maps[-2:])
        step = _same_size if pick.random() < 0.6 else _resized
        maps.append(step(pick, x))
    alike = [x for x in maps[:-1] if x.shape[1:3] == maps[-1].shape[1:3]]
    if alike:
        maps.append(L.Concatenate()([maps[-1], pick.choice(alike)]))
    x = maps[-1]
    ends = [
        lambda: x,
        lambda: L.Dense(3, activation="softmax")(L.Flatten()(x)),
        lambda: L.Dense(2)(L.BatchNormalization()(L.Flatten()(x))),
        lambda: L.Dense(4)(L.Dropout(0.5)(L.GlobalMaxPooling2D()(x))),
        lambda: L.Softmax()(L.Reshape((-1, x.shape[-1]))(x)),
        lambda: L.Permute((2, 3, 1))(x),
        lambda: L.Concatenate()([L.Flatten()(x), L.GlobalAveragePooling2D()(x)]),
    ]
    outputs = [pick.choice(ends)() for _ in range(pick.randint(1, 2))]
    if pick.random() < 0.2:
        outputs.append(pick.choice(maps[1:]))
    return randomized(keras.Model(data, outputs if len(outputs) > 1 else outputs[0]), seed)


@pytest.mark.sweep(4)
@pytest.mark.filterwarnings("ignore::keras_fcn.caffe.errors.CaffeWarning")  # kernels kept apart
@pytest.mark.parametrize("seed", range(12))
def test_random_models(seed, tmp_path):
    model = random_model(seed)
    assert_same(model, round_trip(model, tmp_path))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::keras_fcn.caffe.errors.CaffeWarning")
@pytest.mark.filterwarnings("ignore:You are using a softmax over axis:UserWarning")
def test_many_random_models(tmp_path):
    for seed in range(100, 180):
        keras.backend.clear_session()
        model = random_model(seed)
        assert_same(model, round_trip(model, tmp_path))
