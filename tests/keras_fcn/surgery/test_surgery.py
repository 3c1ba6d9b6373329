"""Classifier -> fully convolutional network, and new heads."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn import layers as own
from keras_fcn.graph.calls import shapes_at


def classifier():
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((12, 10, 3), name="data"),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.MaxPooling2D(2, name="pool"),
            layers.Flatten(name="flatten"),
            layers.Dense(6, activation="relu", name="fc1"),
            layers.BatchNormalization(name="bn"),
            layers.Dropout(0.5, name="drop"),
            layers.Dense(5, use_bias=False, name="fc2"),
            layers.Softmax(name="prob"),
        ],
        name="classifier",
    )


def randomize(model):
    rng = np.random.default_rng(0)
    model.set_weights([rng.random(w.shape, np.float32) for w in model.get_weights()])
    return model


def test_the_cast_equals_the_classifier_on_its_own_size():
    model = randomize(classifier())
    fcn = keras_fcn.to_fully_convolutional(model)
    x = np.random.default_rng(1).random((2, 12, 10, 3), np.float32)
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(fcn.predict(x, verbose=0)[:, 0, 0], expected, atol=1e-6)
    assert fcn.output_shape == (None, None, None, 5)
    assert [layer.name for layer in fcn.layers][-5:] == [
        "fc1-conv",
        "bn",
        "drop",
        "fc2-conv",
        "prob",
    ]


def test_the_cast_equals_the_classifier_on_every_crop():
    model = randomize(classifier())
    fcn = keras_fcn.to_fully_convolutional(model)
    image = np.random.default_rng(2).random((1, 18, 20, 3), np.float32)
    scores = fcn.predict(image, verbose=0)[0]
    rows, columns, classes = scores.shape
    assert rows > 1
    assert columns > 1
    crops = [
        image[0, 2 * i : 2 * i + 12, 2 * j : 2 * j + 10]
        for i in range(rows)
        for j in range(columns)
    ]
    expected = model.predict(np.stack(crops), verbose=0)
    np.testing.assert_allclose(scores.reshape(-1, classes), expected, atol=1e-5)


def test_functional_chains_are_cast_too():
    model = randomize(classifier())
    functional = keras.Model(model.inputs, model.outputs)
    fcn = keras_fcn.to_fully_convolutional(functional)
    x = np.ones((1, 12, 10, 3), np.float32)
    np.testing.assert_allclose(
        fcn.predict(x, verbose=0)[:, 0, 0], model.predict(x, verbose=0), atol=1e-6
    )


def test_the_cast_has_its_own_variables():
    model = randomize(classifier())
    fcn = keras_fcn.to_fully_convolutional(model)
    before = np.asarray(model.get_layer("conv").kernel)
    fcn.get_layer("conv").kernel.assign(np.zeros_like(before))
    np.testing.assert_array_equal(model.get_layer("conv").kernel, before)


def test_a_flatten_without_dense_is_refused():
    x = keras.Input((8, 8, 3))
    model = keras.Model(x, keras.layers.Flatten()(keras.layers.Conv2D(3, 1)(x)))
    with pytest.raises(ValueError, match="a Dense layer must follow"):
        keras_fcn.to_fully_convolutional(model)


def test_layers_that_cannot_follow_are_named():
    model = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Reshape((4, 4), name="back")]
    )
    with pytest.raises(ValueError, match="'back'"):
        keras_fcn.to_fully_convolutional(model)


def test_without_flatten_there_is_nothing_to_cast():
    with pytest.raises(ValueError, match="needs a Flatten"):
        keras_fcn.to_fully_convolutional(keras_fcn.LeNetFCN())


@pytest.mark.parametrize("make", [keras_fcn.LeNet, keras_fcn.LeNetFCN])
def test_replace_head(make):
    model = make()
    new = keras_fcn.replace_head(model, 7)
    assert new.output_shape[-1] == 7
    assert [layer.name for layer in new.layers][-2:] == ["score", "prob"]
    assert new.get_layer("conv1") is model.get_layer("conv1")
    logits = keras_fcn.replace_head(model, 2, name="two", classifier_activation=None)
    assert logits.layers[-1].name == "two"


def test_replace_head_needs_scores():
    model = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization(name="bn")])
    with pytest.raises(ValueError, match="'bn'"):
        keras_fcn.replace_head(model, 3)


def pooled(head):
    x = image = keras.Input((20, 16, 3), name="data")
    layers = keras.layers
    x = layers.Conv2D(6, 3, strides=2, name="conv")(x)
    left = layers.Conv2D(6, 3, padding="valid", name="left")(x)
    right = layers.Cropping2D(1, name="right")(x)
    x = layers.Add(name="sum")([left, right])
    return keras.Model(image, head(x), name="pooled")


HEADS = {
    "average": lambda x: keras.layers.Dense(4, activation="softmax", name="fc")(
        keras.layers.GlobalAveragePooling2D(name="pool")(x)
    ),
    "max": lambda x: keras.layers.Dense(4, name="fc")(
        keras.layers.GlobalMaxPooling2D(keepdims=True, name="pool")(x)
    ),
    "convolution": lambda x: keras.layers.Reshape((4,), name="vector")(
        keras.layers.Conv2D(4, 1, name="fc")(
            keras.layers.GlobalAveragePooling2D(keepdims=True, name="pool")(x)
        )
    ),
    "flatten": lambda x: keras.layers.Dense(4, name="fc")(
        keras.layers.Concatenate(name="cat")(
            [
                keras.layers.Dense(3, activation="relu", name="a")(
                    keras.layers.Dropout(0.5, name="drop")(keras.layers.Flatten(name="f")(x))
                ),
                keras.layers.Dense(2, name="b")(keras.layers.Flatten(name="g")(x)),
            ]
        )
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("head", HEADS)
def test_branches_and_global_pooling_equal_the_classifier_on_every_crop(head):
    model = randomize(pooled(HEADS[head]))
    fcn = keras_fcn.to_fully_convolutional(model)
    assert fcn.output_shape == (None, None, None, 4)
    image = np.random.default_rng(2).random((1, 26, 20, 3), np.float32)
    scores = fcn.predict(image, verbose=0)[0]
    assert scores.shape[:2] == (4, 3)
    for i in range(4):
        for j in range(3):
            crop = image[:, 2 * i : 2 * i + 20, 2 * j : 2 * j + 16]
            expected = model.predict(crop, verbose=0).reshape(-1)
            np.testing.assert_allclose(scores[i, j], expected, rtol=2e-6, atol=1e-6)


def test_unknown_sizes_are_refused():
    x = keras.Input((None, None, 3))
    pool = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    with pytest.raises(ValueError, match=r"must be known\. Received: layer 'pool'"):
        keras_fcn.to_fully_convolutional(keras.Model(x, keras.layers.Dense(2)(pool)))


def test_what_mixes_a_flattened_map_is_refused():
    model = pooled(
        lambda x: keras.layers.Dense(2)(
            keras.layers.BatchNormalization(name="bn")(keras.layers.Flatten()(x))
        )
    )
    with pytest.raises(ValueError, match="layer 'bn' of 'pooled'"):
        keras_fcn.to_fully_convolutional(model)


GLOBAL = """name: "global"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 16 dim: 16 } } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 4 kernel_size: 3 stride: 2 weight_filler { type: "xavier" } } }
layer { name: "g" type: "Pooling" bottom: "c" top: "g"
  pooling_param { pool: %s global_pooling: true } }
%s
"""
ENDS = {
    "inner product": """layer { name: "fc" type: "InnerProduct" bottom: "g" top: "fc"
      inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }""",
    "flattened": """layer { name: "f" type: "Flatten" bottom: "g" top: "f" }
      layer { name: "p" type: "Softmax" bottom: "f" top: "p" softmax_param { axis: -1 } }""",
    "convolution": """layer { name: "d" type: "Convolution" bottom: "g" top: "d"
        convolution_param { num_output: 3 kernel_size: 1 weight_filler { type: "xavier" } } }
      layer { name: "p" type: "Softmax" bottom: "d" top: "p" }""",
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("pool", ["AVE", "MAX"])
def test_global_pooling_of_caffe_becomes_windows(end, pool, tmp_path):
    """The size of the windows is the prototxt's, also where the model leaves it open."""
    path = tmp_path / "net.prototxt"
    path.write_text(GLOBAL % (pool, ENDS[end]))
    model = keras_fcn.from_caffe(path, seed=1)
    image = np.random.default_rng(5).normal(size=(1, 24, 28, 3)).astype(np.float32)
    scores = np.asarray(keras_fcn.to_fully_convolutional(model)(image))
    assert scores.shape[:3] == (1, 5, 7)
    for i, j in ((0, 0), (4, 6), (2, 3)):
        crop = image[:, 2 * i : 2 * i + 16, 2 * j : 2 * j + 16]
        wanted = np.asarray(model(crop)).reshape(-1)
        np.testing.assert_allclose(scores[0, i, j], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("make", [keras_fcn.SqueezeNet, keras_fcn.NIN])
def test_networks_that_end_in_global_pooling_give_maps(make):
    fcn = keras_fcn.to_fully_convolutional(make(classes=5))
    _, height, width, _ = make(classes=5).input_shape
    shapes = shapes_at(fcn, {fcn.inputs[0].name: (1, height, width + 64, 3)})
    batch, rows, columns, classes = shapes[id(fcn.outputs[0])]
    assert (batch, rows, classes) == (1, 1, 5)
    assert columns > 1


def test_what_normalization_has_adapted_to_comes_along():
    x = keras.Input((8, 8, 2), name="data")
    normalization = keras.layers.Normalization(name="n")
    normalization.adapt(np.random.default_rng(1).normal(3, 2, (4, 8, 8, 2)))
    y = keras.layers.Dense(3, name="fc")(keras.layers.Flatten()(normalization(x)))
    model = keras.Model(x, y)
    image = np.random.default_rng(2).normal(size=(1, 8, 8, 2)).astype(np.float32)
    fcn = keras_fcn.to_fully_convolutional(model)
    np.testing.assert_allclose(np.asarray(fcn(image))[:, 0, 0], model(image), rtol=1e-5, atol=1e-5)


def gate(x):
    squeezed = keras.layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(x)
    excited = keras.layers.Multiply(name="gate")([x, squeezed])
    return keras.layers.Dense(2)(keras.layers.GlobalMaxPooling2D()(excited))


def twice(x):
    dense = keras.layers.Dense(4, name="twice")
    small = keras.layers.Conv2D(2, 3, name="small")(x)
    flat = keras.layers.Flatten()(small)
    other = keras.layers.Flatten()(keras.layers.Permute((3, 1, 2))(small))
    return keras.layers.Add()([dense(flat), dense(other)])


def strides(x):
    small = keras.layers.MaxPooling2D(2)(x)
    heads = [
        keras.layers.Dense(3, name=n)(keras.layers.Flatten()(y))
        for n, y in (("fine", x), ("coarse", small))
    ]
    return keras.layers.Add(name="total")(heads)


@pytest.mark.parametrize("name", ["gate", "twice", "strides"])
def test_what_has_no_cast_is_refused_by_name(name):
    makers = {
        "gate": (gate, "'gate'"),
        "twice": (twice, "'twice'"),
        "strides": (strides, "'total'"),
    }
    make, message = makers[name]
    with pytest.raises(convert.CaffeError, match=message):
        keras_fcn.to_fully_convolutional(pooled(make))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ResNet50", "MobileNetV2", "VGG16"])
def test_networks_of_keras_applications(name):
    """On its own input size the cast is the classifier."""
    classifier = getattr(keras.applications, name)(weights=None, classes=5)
    fcn = keras_fcn.to_fully_convolutional(classifier)
    image = np.random.default_rng(3).random((1, 224, 224, 3), np.float32)
    expected = classifier.predict(image, verbose=0)
    np.testing.assert_allclose(fcn.predict(image, verbose=0)[:, 0, 0], expected, atol=1e-6)
    assert fcn.predict(np.zeros((1, 256, 288, 3), np.float32), verbose=0).shape[1:] == (2, 3, 5)


def test_branches_that_grow_apart_are_refused():
    data = keras.Input((12, 10, 2), name="data")
    dense = keras.layers.Dense(5)(keras.layers.Flatten()(data))
    pooled = keras.layers.GlobalMaxPooling2D()(keras.layers.AveragePooling2D((12, 10))(data))
    joined = keras.layers.Concatenate(axis=1)([dense, pooled])
    model = keras.Model(data, keras.layers.Dense(4)(joined))
    with pytest.raises(convert.CaffeError, match=r"layer 'concatenate\w*' .*it cannot join"):
        keras_fcn.to_fully_convolutional(model)


@pytest.mark.parametrize(
    "layer",
    [
        own.BatchNorm(),
        own.GRN(),
        own.Insanity(),
        own.PReLU(),
        own.PReLU(channel_shared=True),
        own.Power(power=2.0, scale=0.5, shift=3.0),
        own.SELU(),
        own.ScaledBatchNorm(),
        own.ShuffleChannel(3),
        own.Swish(),
    ],
    ids=lambda layer: f"{layer.name}",
)
def test_layers_of_caffe_behind_the_vectors(layer):
    """They do on each cell of the map what their kind does on a vector."""
    check_cells([keras.layers.Flatten(), keras.layers.Dense(6), layer, keras.layers.Dense(2)])


@pytest.mark.parametrize(
    "layer", [own.BN(mode="inference"), own.SpatialDropout(0.3, scale_when_tested=True)]
)
def test_layers_of_caffe_behind_global_pooling(layer):
    pooled = keras.layers.GlobalAveragePooling2D(keepdims=True)
    ends = [keras.layers.Flatten(), keras.layers.Dense(2)]
    check_cells([keras.layers.Conv2D(6, 1), pooled, layer, *ends])


def check_cells(stack):
    """Every cell of the cast is the classifier on its crop."""
    model = keras.Sequential([keras.Input((4, 5, 1)), *stack])
    rng = np.random.default_rng(2)
    model.set_weights([rng.uniform(0.3, 2, w.shape) for w in model.get_weights()])
    image = rng.normal(size=(1, 6, 8, 1)).astype(np.float32)
    cells = np.asarray(keras_fcn.to_fully_convolutional(model)(image))
    assert cells.shape == (1, 3, 4, 2)
    for row, column in ((0, 0), (2, 3)):
        crop = model(image[:, row : row + 4, column : column + 5])
        np.testing.assert_allclose(
            cells[:, row, column], crop, rtol=0, atol=1e-5 * np.abs(crop).max()
        )
