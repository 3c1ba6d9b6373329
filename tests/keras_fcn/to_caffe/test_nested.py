"""Models within models, layers called twice, and the names of outputs."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from keras_fcn.caffe.errors import CaffeWarning
from tests.keras_fcn.to_caffe.trips import (
    assert_same,
    functional,
    output_blobs,
    randomized,
    round_trip,
)

L = keras.layers
IMAGE = (12, 12, 3)
MAP = (9, 9, 2)


def base(name="base"):
    return keras.Sequential(
        [
            keras.Input(IMAGE),
            L.Conv2D(4, 3, activation="relu"),
            L.MaxPooling2D(),
            L.BatchNormalization(),
        ],
        name=name,
    )


def two_ends():
    x = keras.Input(IMAGE)
    y = L.Conv2D(4, 3)(x)
    return keras.Model(x, [L.ReLU()(y), y], name="two_ends")


def transfer(x):
    frozen = base()
    frozen.trainable = False
    y = L.Rescaling(1 / 127.5, offset=-1)(L.RandomFlip()(x))
    y = L.Dropout(0.2)(L.GlobalAveragePooling2D()(frozen(y, training=False)))
    return L.Dense(3, activation="softmax", name="predictions")(y)


def siamese(a, b):
    tower = base()
    return L.Dense(1)(ops.abs(L.Flatten()(tower(a)) - L.Flatten()(tower(b))))


NESTED = {
    "transfer learning": (transfer, 1),
    "a tower used twice": (siamese, 2),
    "two outputs": (lambda x: L.Add(name="sum")(two_ends()(x)), 1),
    "an end of its own": (lambda x: two_ends()(x), 1),
    "three deep": (
        lambda x: keras.Sequential([keras.Input(IMAGE), base(), L.Conv2D(2, 1)])(x),
        1,
    ),
}


@pytest.mark.parametrize("name", NESTED)
def test_models_within_models(name, tmp_path):
    function, inputs = NESTED[name]
    model = functional(function, *[IMAGE] * inputs)
    assert_same(model, round_trip(model, tmp_path))


def test_a_tower_used_twice_has_its_weights_once(tmp_path):
    model = functional(siamese, IMAGE, IMAGE)
    again = round_trip(model, tmp_path)
    trained = sum(np.prod(w.shape) for w in again.trainable_weights)
    assert trained == sum(np.prod(w.shape) for w in model.trainable_weights)


def test_a_sequential_of_models(tmp_path):
    head = keras.Sequential([L.Flatten(), L.Dense(3)], name="head")
    model = randomized(keras.Sequential([keras.Input(IMAGE), base(), head]))
    again = round_trip(model, tmp_path)
    assert_same(model, again)
    assert output_blobs(again) == ["head"]


def inner_and_last(x):
    y = L.Conv2D(3, 1, activation="relu", name="features")(x)
    return [y, L.Conv2D(2, 1, activation="sigmoid", name="seg")(y)]


def same_twice(x):
    y = L.Conv2D(3, 1, name="y")(x)
    return [y, y]


def layer_twice(x):
    shared = L.Conv2D(2, 1, activation="relu6", name="c")
    y = shared(x)
    return [shared(y), y]


NAMES = {
    "softmax": (
        lambda x: L.Dense(3, activation="softmax", name="predictions")(L.Flatten()(x)),
        ["predictions"],
    ),
    "batch normalization": (lambda x: L.BatchNormalization(name="bn")(x), ["bn"]),
    "global pooling": (lambda x: L.GlobalAveragePooling2D(name="gap")(x), ["gap"]),
    "padding": (lambda x: L.ZeroPadding2D(1, name="pad")(x), ["pad"]),
    "a flattened map": (lambda x: L.Flatten(name="flat")(x), ["flat"]),
    "read within": (inner_and_last, ["features", "seg"]),
    "one tensor twice": (same_twice, ["y", "y_2"]),
    "one layer twice": (layer_twice, ["c", "c_2"]),
    "an input": (lambda x: [x, L.ReLU(name="r")(x)], ["a_2", "r"]),
    "in reverse": (lambda x: ops.split(x, 2, axis=-1)[::-1], None),
}


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_named_and_ordered_as_in_keras(name, tmp_path):
    function, names = NAMES[name]
    model = functional(function, MAP)
    again = round_trip(model, tmp_path)
    assert_same(model, again)
    assert names in (None, output_blobs(again))


def opposite_paddings(x):
    c = L.Conv2D(3, 3, name="c")
    paddings = (((0, 1), (0, 1)), ((1, 0), (1, 0)), ((1, 0), (1, 0)))
    return L.Concatenate()([c(L.ZeroPadding2D(sides)(x)) for sides in paddings])


def map_and_vector(x):
    d = L.Dense(5, name="c")
    vector = L.Dense(9)(L.GlobalAveragePooling2D()(x))
    return d(L.Flatten()(L.Conv2D(1, 7)(x))) + d(L.Flatten()(L.Conv2D(3, (9, 7))(x))) + d(vector)


def twice(layer, between=lambda x: x):
    return lambda x: layer(between(layer(x)))


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (opposite_paddings, MAP),
        (map_and_vector, MAP),
        (twice(L.Conv2D(2, 3, strides=2, padding="same", name="c")), (15, 15, 2)),
        (twice(L.DepthwiseConv2D(3, strides=2, padding="same", name="c")), (15, 16, 2)),
    ],
)
def test_calls_with_other_kernels_in_caffe_do_not_share(function, shape, tmp_path):
    model = functional(function, shape)
    with pytest.warns(CaffeWarning, match=": c: called several times"):
        again = round_trip(model, tmp_path)
    assert_same(model, again)


WITHOUT_WEIGHTS = {
    "UpSampling2D": (lambda: L.UpSampling2D(2), 5),
    "Cropping2D": (lambda: L.Cropping2D(1), 4),
    "ZeroPadding2D": (lambda: L.ZeroPadding2D(1), 4),
    "MaxPooling2D": (lambda: L.MaxPooling2D(2), 4),
    "AveragePooling2D": (lambda: L.AveragePooling2D(3, 1, padding="same"), 4),
    "Rescaling": (lambda: L.Rescaling(0.5, 1.0), 4),
    "Rescaling of channels": (lambda: L.Rescaling([0.5, 2.0], 1.0), 2),
    "ReLU": (lambda: L.ReLU(6.0), 4),
}


@pytest.mark.filterwarnings("error::keras_fcn.caffe.errors.CaffeWarning")
@pytest.mark.parametrize("name", WITHOUT_WEIGHTS)
def test_layers_without_weights_share_nothing(name, tmp_path):
    make, channels = WITHOUT_WEIGHTS[name]
    model = functional(twice(make(), L.Conv2D(channels, 1)), MAP)
    assert_same(model, round_trip(model, tmp_path))
    assert "    name:" not in (tmp_path / "net.prototxt").read_text()  # of a param


SHARED = {
    "convolution and activation": (lambda: L.Conv2D(2, 3, padding="same", activation="relu6"), 2),
    "separable": (lambda: L.SeparableConv2D(2, 3, padding="same"), 3),
    "batch normalization": (L.BatchNormalization, 5),
    "slopes": (lambda: L.PReLU(shared_axes=[1, 2]), 1),
}


@pytest.mark.filterwarnings("error::keras_fcn.caffe.errors.CaffeWarning")
@pytest.mark.parametrize("name", SHARED)
def test_all_weights_of_a_layer_called_twice_are_shared(name, tmp_path):
    make, count = SHARED[name]
    model = functional(twice(make()), MAP)
    assert_same(model, round_trip(model, tmp_path))
    assert (tmp_path / "net.prototxt").read_text().count("    name:") == 2 * count
