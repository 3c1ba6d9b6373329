"""SegNet's, ENet's and PSPNet's layers: against SegNet's Caffe, and against their definitions."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import convert
import keras_fcn
from keras_fcn.caffe.errors import CaffeError
from tests.golden import assert_close, to_caffe_order, to_channels_last
from tests.keras_fcn.builder.texts import build, caffemodel, data, numeric_gradient
from tests.keras_fcn.layers.checks import assert_config_round_trip, gradients, normal, reloaded

# SegNet's BN

BN = 'layer {{ name: "bn" type: "BN" bottom: "data" {tops} bn_param {{ {fields} }} }}'


def test_bn_gives_the_statistics_of_the_batch(tmp_path):
    tops = 'top: "bn" top: "mean" top: "variance"'
    model = build(tmp_path, data(2, 3, 4, 5) + BN.format(tops=tops, fields="bn_mode: LEARN"))
    x = normal(2, 3, 4, 5)
    blobs = keras_fcn.blobs(model, {"data": x})
    assert_close(blobs["mean"], x.mean((0, 2, 3), keepdims=True))
    assert_close(blobs["variance"], x.var((0, 2, 3), keepdims=True))


def test_bn_without_fillers_gives_zeros_as_in_caffe(tmp_path):
    model = build(tmp_path, data(1, 2, 3, 3) + BN.format(tops='top: "bn"', fields="bn_mode: LEARN"))
    assert not keras_fcn.blobs(model, {"data": normal(1, 2, 3, 3)})["bn"].any()


def test_bn_modes_share_their_weights(tmp_path):
    blobs = [normal(1, 3, 1, 1, seed=i) for i in range(2)]
    weights = caffemodel(tmp_path, {"bn": blobs}, "BN")
    x = normal(4, 3, 5, 5)
    learn, inference = (
        keras_fcn.blobs(
            build(
                tmp_path,
                data(4, 3, 5, 5) + BN.format(tops='top: "bn"', fields=f"bn_mode: {mode}"),
                weights,
            ),
            {"data": x},
        )["bn"]
        for mode in ("LEARN", "INFERENCE")
    )
    assert_close(inference, x * blobs[0] + blobs[1])
    normalized = (x - x.mean((0, 2, 3), keepdims=True)) / x.std((0, 2, 3), keepdims=True)
    assert_close(learn, normalized * blobs[0] + blobs[1])


@pytest.mark.parametrize(
    ("fields", "tops", "message"),
    [
        ("bn_mode: INFERENCE", 'top: "bn" top: "mean"', "INFERENCE"),
        ("moving_average: false", 'top: "bn"', "moving_average: false"),
        ("slope_filler { value: 1 } axis: 3", 'top: "bn"', "axis: 3"),
    ],
)
def test_bn_refuses(fields, tops, message, tmp_path):
    with pytest.raises(CaffeError, match=f"layer 'bn' .BN.: .*{message}"):
        build(tmp_path, data(1, 2, 3, 3) + BN.format(tops=tops, fields=fields))


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_bn_keeps_its_statistics_in_float32(dtype):
    x = (normal(2, 8, 8, 3) + 30).astype("float32")
    layer = keras_fcn.layers.BN(dtype=dtype)
    expected = (x - x.mean((0, 1, 2))) / x.std((0, 1, 2))
    # What half precision leaves of the input itself, at 30.
    np.testing.assert_allclose(layer(x), expected, atol=0.02 if dtype[6:] == "float16" else 0.15)


# PSPNet's BN


def pspnet(x, blobs, eps, momentum, training):
    """Forward pass, and the stored mean and variance after it, by PSPNet's bn_layer.cpp."""
    slope, bias, mean, variance = (blob.reshape(1, -1, 1, 1).astype("float64") for blob in blobs)
    if training:
        batch = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
        stored = [
            momentum * old + (1 - momentum) * new
            for old, new in zip((mean, variance), batch, strict=True)
        ]
        mean, variance = batch
    else:
        stored = [mean, variance]
    return slope * (x - mean) / np.sqrt(variance + eps) + bias, stored


PSPNET = {
    "default": ("slope_filler { value: 1 }", 1e-5, 0.9),
    "set": ("momentum: 0.95 eps: 0.01 engine: CUDNN", 0.01, 0.95),
    "older": ("scale_filler { value: 1 } moving_average: true decay: 0.25 var_eps: 0.1", 0.1, 0.75),
}


def pspnet_net(tmp_path, fields):
    blobs = [normal(1, 3, 1, 1, seed=i) for i in range(3)]
    blobs.append(np.abs(normal(1, 3, 1, 1, seed=4)) + 0.5)
    weights = caffemodel(tmp_path, {"bn": blobs}, "BN")
    text = data(4, 3, 5, 6) + BN.format(tops='top: "bn"', fields=fields)
    return build(tmp_path, text, weights), blobs


@pytest.mark.parametrize("form", PSPNET)
def test_pspnet_bn(form, tmp_path):
    fields, eps, momentum = PSPNET[form]
    model, blobs = pspnet_net(tmp_path, fields)
    x = normal(4, 3, 5, 6, seed=7) * 2 + 1
    for training in (False, True):
        expected, stored = pspnet(x, blobs, eps, momentum, training)
        actual = model(to_channels_last(x), training=training)
        assert_close(to_caffe_order(actual), expected, 1e-5)
        layer = model.get_layer("bn")
        for weight, wanted in zip((layer.moving_mean, layer.moving_variance), stored, strict=True):
            assert_close(weight, wanted.ravel(), 1e-5)


def test_frozen_pspnet_bn(tmp_path):
    model, blobs = pspnet_net(tmp_path, "frozen: true")
    assert model.trainable_weights == []
    x = normal(4, 3, 5, 6)
    expected, _ = pspnet(x, blobs, 1e-5, 0.9, training=False)
    assert_close(to_caffe_order(model(to_channels_last(x), training=True)), expected)


def test_fillers_of_a_frozen_pspnet_bn(tmp_path):
    fields = "frozen: true slope_filler { value: 2 } bias_filler { value: 3 }"
    model = build(tmp_path, data(1, 2, 3, 3) + BN.format(tops='top: "bn"', fields=fields))
    assert [float(weight[0]) for weight in model.get_layer("bn").weights] == [2, 3, 0, 1]


def test_pspnet_bn_along_another_axis(tmp_path):
    blobs = [normal(1, 1, 5, 1, seed=i) for i in range(3)] + [np.full((1, 1, 5, 1), 2.0, "float32")]
    text = data(2, 3, 5, 6) + BN.format(tops='top: "bn"', fields="axis: 2")
    model = build(tmp_path, text, caffemodel(tmp_path, {"bn": blobs}, "BN"))
    x = normal(2, 3, 5, 6)
    slope, bias, mean, variance = blobs
    expected = slope * (x - mean) / np.sqrt(variance + 1e-5) + bias
    assert_close(keras_fcn.blobs(model, {"data": x})["bn"], expected)


def test_gradient_of_pspnet_bn_in_training(tmp_path):
    _, blobs = pspnet_net(tmp_path, "eps: 0.1")
    layer = keras.layers.BatchNormalization(epsilon=0.1, dtype="float64")
    layer.build((None, None, None, 3))
    layer.set_weights([blob.ravel() for blob in blobs])
    x, top = (normal(2, 3, 2, 3, seed=seed).astype("float64") for seed in (1, 2))
    expected = numeric_gradient(lambda x: pspnet(x, blobs, 0.1, 0.9, True)[0], x, top)
    actual, *_ = gradients(lambda x: layer(x, training=True), x, top)
    assert_close(actual, expected, 1e-6)


@pytest.mark.parametrize(
    ("fields", "count"), [("bn_mode: LEARN", 2), ("frozen: true", 4), ("axis: 2", 4)]
)
def test_bn_blobs_come_back(fields, count, tmp_path):
    text = data(2, 3, 3, 6) + BN.format(tops='top: "bn"', fields=fields)
    (tmp_path / "net.prototxt").write_text(text)
    params = convert.load_network(tmp_path / "net.prototxt").layer("bn").params
    shape = (1, 1, 3, 1) if "axis" in fields else (1, 3, 1, 1)
    blobs = [normal(*shape, seed=i) for i in range(count)]
    arrays = [weight.array() for weight in params.keras_weights(blobs, None)]
    assert [array.shape for array in arrays] == [(3,)] * count
    for blob, again in zip(blobs, params.caffe_blobs(arrays, None), strict=True):
        np.testing.assert_array_equal(again, blob)


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("way", ["h5", "load h5", "load caffemodel"])
def test_bn_weights_by_every_way(way, count, tmp_path):
    """The blobs alone tell the fork, in each kind of file."""
    blobs = [np.abs(normal(1, 3, 1, 1, seed=i)) for i in range(count)]
    weights = caffemodel(tmp_path, {"bn": blobs}, "BN")
    text = data(2, 3, 4, 5) + BN.format(tops='top: "bn"', fields="")
    expected = build(tmp_path, text, weights)
    convert.convert(tmp_path / "net.prototxt", weights, tmp_path / "net.h5")
    if way == "h5":
        model = build(tmp_path, text, tmp_path / "net.h5")
    else:
        model = build(tmp_path, text, dialect={2: "segnet", 4: "pspnet"}[count])
        keras_fcn.load_weights(model, weights if "caffe" in way else tmp_path / "net.h5")
    x = normal(2, 4, 5, 3)
    np.testing.assert_array_equal(model(x), expected(x))
    assert len(model.get_layer("bn").weights) == count


# Upsample

UPSAMPLE = (
    data(2, 3, 4, 5, name="x")
    + data(2, 3, 4, 5, name="mask")
    + """layer { name: "up" type: "Upsample" bottom: "x" bottom: "mask" top: "up"
  upsample_param { %s } }"""
)


def upsample(x, mask, height, width):
    """By SegNet's upsample_layer.cpp: later elements overwrite."""
    out = np.zeros((*x.shape[:2], height * width), x.dtype)
    for image, channel in np.ndindex(x.shape[:2]):
        for value, place in zip(x[image, channel].flat, mask[image, channel].flat, strict=True):
            out[image, channel, int(place)] = value
    return out.reshape(*x.shape[:2], height, width)


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ("", (8, 10)),
        ("scale: 3", (12, 15)),
        ("scale_h: 2 scale_w: 4", (8, 20)),
        ("upsample_h: 5 upsample_w: 13", (5, 13)),
        ("pad_out_w: true", (8, 9)),
    ],
)
def test_upsample(fields, size, tmp_path):
    model = build(tmp_path, UPSAMPLE % fields)
    x = normal(2, 3, 4, 5)
    # Places that occur twice too.
    mask = np.random.default_rng(1).integers(0, np.prod(size), x.shape).astype("float32")
    blobs = keras_fcn.blobs(model, {"x": x, "mask": mask})
    np.testing.assert_array_equal(blobs["up"], upsample(x, mask, *size))


def test_gradient_of_upsample_is_what_stands_at_each_place():
    x, top = normal(2, 3, 4, 5), normal(2, 3, 8, 10, seed=1)
    mask = np.random.default_rng(1).integers(0, 80, x.shape).astype("float32")
    layer = keras_fcn.layers.Upsample()
    actual, *_ = gradients(lambda x: layer([x, to_channels_last(mask)]), x, top)
    places = mask.astype(int).reshape(6, 20)
    expected = np.take_along_axis(top.reshape(6, 80), places, 1).reshape(x.shape)
    np.testing.assert_array_equal(actual, expected)


def test_a_place_outside_is_an_error_on_the_cpu():
    layer = keras_fcn.layers.Upsample()
    x, mask = normal(2, 2, 2, 3), np.full((2, 2, 2, 3), 16.0, "float32")
    with pytest.raises(ValueError, match="the mask has places outside of the 4 x 4 output"):
        layer([x, mask])


def test_pooling_and_upsample_follow_the_image_when_they_run():
    image = keras.Input((None, None, 3))
    pooled, mask = keras_fcn.layers.CaffeMaxPooling2D(2, 2, return_mask=True)(image)
    model = keras.Model(image, keras_fcn.layers.Upsample()([pooled, mask]))
    assert model.output_shape == (None, None, None, 3)
    graph = tf.function(model).get_concrete_function(tf.TensorSpec((None, None, None, 3)))
    for height, width in [(6, 8), (10, 4)]:
        x = normal(2, height, width, 3)
        kept = np.asarray(graph(x))
        cells = x.reshape(2, height // 2, 2, width // 2, 2, 3)
        expected = np.where(cells == cells.max((2, 4), keepdims=True), cells, 0).reshape(x.shape)
        np.testing.assert_array_equal(kept, expected)


def test_upsample_in_half_precision_counts_on():
    image = normal(1, 100, 60, 1)
    pooled, mask = keras_fcn.layers.CaffeMaxPooling2D(
        2, 2, return_mask=True, dtype="mixed_float16"
    )(image)
    up = keras_fcn.layers.Upsample(dtype="mixed_float16")([pooled, mask])
    assert up.dtype == "float16"
    assert np.count_nonzero(up) == 50 * 30
    np.testing.assert_allclose(np.asarray(up)[up != 0], image.astype("float16")[up != 0])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("scale: 1", "scale: .1, 1. must be at least 2"),
        ("scale: 3 pad_out_h: true", "pad_out: .* needs scale: 2"),
        ("upsample_h: 5", "'upsample_h' needs 'upsample_h' and 'upsample_w' together"),
        ("scale: 2 scale_h: 2 scale_w: 2", "not both"),
        ("upsample_h: 1 upsample_w: 5", "must be at least 2"),
    ],
)
def test_upsample_refuses(fields, message, tmp_path):
    with pytest.raises(CaffeError, match=f"layer 'up' .Upsample.: .*{message}"):
        build(tmp_path, UPSAMPLE % fields)


def test_upsample_needs_a_mask_of_the_same_shape(tmp_path):
    text = data(2, 3, 4, 5, name="x") + data(2, 3, 4, 6, name="m")
    text += 'layer { name: "up" type: "Upsample" bottom: "x" bottom: "m" top: "up" }'
    with pytest.raises(CaffeError, match="the mask has shape"):
        build(tmp_path, text)


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_nearest_upsample(scale, tmp_path):
    text = data(2, 3, 4, 5) + (
        'layer { name: "up" type: "Upsample" bottom: "data" top: "up" '
        f"upsample_param {{ scale: {scale} }} }}"
    )
    model = build(tmp_path, text)
    x = normal(2, 3, 4, 5)
    expected = x.repeat(scale, 2).repeat(scale, 3)
    np.testing.assert_array_equal(keras_fcn.blobs(model, {"data": x})["up"], expected)
    top = normal(*expected.shape, seed=1)
    actual, *_ = gradients(model, x, top)
    assert_close(actual, top.reshape(2, 3, 4, scale, 5, scale).sum((3, 5)))


# Dropout of Bayesian SegNet

SAMPLED = (
    'layer { name: "drop" type: "Dropout" bottom: "data" top: "drop" '
    "dropout_param { dropout_ratio: 0.25 sample_weights_test: %s } }"
)


def test_dropout_that_samples_weights_when_tested(tmp_path):
    model = build(tmp_path, data(1, 4, 50, 50) + SAMPLED % "true")
    assert isinstance(model.get_layer("drop"), keras_fcn.layers.SampledDropout)
    x = normal(1, 50, 50, 4)
    passes = [model.predict(x, verbose=0) for _ in range(2)]
    assert (passes[0] != passes[1]).any()
    again = reloaded(model, tmp_path).predict(x, verbose=0)
    for outputs in (*passes, again):
        kept = outputs != 0
        assert kept.mean() == pytest.approx(0.75, abs=0.03)
        np.testing.assert_allclose(outputs[kept], x[kept] / 0.75, rtol=1e-6)


def test_dropout_is_repeated_with_keras_seed(tmp_path):
    text, x = data(1, 4, 5, 5) + SAMPLED % "true", normal(1, 5, 5, 4)
    outputs = []
    for _ in range(2):
        keras.utils.set_random_seed(7)
        outputs.append(build(tmp_path, text).predict(x, verbose=0))
    np.testing.assert_array_equal(*outputs)


def test_dropout_that_does_not_sample_is_the_identity(tmp_path):
    model = build(tmp_path, data(1, 4, 5, 5) + SAMPLED % "false")
    x = normal(1, 5, 5, 4)
    np.testing.assert_array_equal(model.predict(x, verbose=0), x)


# Spatial dropout

DROPOUT = """layer { name: "drop" type: "Python" bottom: "data" top: "drop"
  python_param { module: "spatial_dropout" layer: "SpatialDropoutLayer"
    param_str: "{'phase': '%s', 'p': '%s'}" } }"""


def test_spatial_dropout_drops_whole_channels(tmp_path):
    model = build(tmp_path, data(8, 64, 3, 4) + DROPOUT % ("TRAIN", "0.25"))
    x = np.ones((8, 3, 4, 64), "float32")
    np.testing.assert_array_equal(model(x, training=False), x)
    planes = np.asarray(model(x, training=True)).transpose(0, 3, 1, 2).reshape(512, 12)
    assert (planes == planes[:, :1]).all()
    assert set(np.unique(planes)) == {0, np.float32(1 / 0.75)}
    assert abs((planes[:, 0] == 0).mean() - 0.25) < 0.1
    assert len({tuple(image) for image in planes[:, 0].reshape(8, 64)}) > 1


def test_spatial_dropout_for_the_test_phase_scales(tmp_path):
    model = build(tmp_path, data(2, 3, 4, 5) + DROPOUT % ("TEST", "0.1"))
    x = normal(2, 3, 4, 5)
    assert_close(keras_fcn.blobs(model, {"data": x})["drop"], x / 0.9)
    assert (np.asarray(model(np.ones((4, 4, 5, 3)), training=True)) != 0).any()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (DROPOUT % ("TRAIN", "1.5"), "'p' is 1.5"),
        (DROPOUT % ("TRAIN", "half"), "'p' must be a number, is 'half'"),
        (DROPOUT.replace("'p'", "'q'") % ("TRAIN", "0.5"), "does not give 'p'"),
    ],
)
def test_spatial_dropout_refuses(text, message, tmp_path):
    with pytest.raises(CaffeError, match=f"layer 'drop' .Python.: param_str: .*{message}"):
        build(tmp_path, data(2, 3, 4, 5) + text)


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras_fcn.layers.BN("other"),
        lambda: keras_fcn.layers.BN("inference", statistics=1),
        lambda: keras_fcn.layers.Upsample(3, (True, False)),
        lambda: keras_fcn.layers.Upsample(1),
    ],
)
def test_wrong_arguments(make):
    with pytest.raises(ValueError, match="Received"):
        make()


# DenseImageData

DENSE = """layer {{ name: "data" type: "DenseImageData" top: "data" top: "label"
  {more} dense_image_data_param {{ source: "train.txt" batch_size: 3 {fields} }} }}"""


@pytest.mark.parametrize(
    ("fields", "more", "images", "labels"),
    [
        ("", "", (None, 3, None, None), (None, 1, None, None)),
        ("is_color: false", "", (None, 1, None, None), (None, 1, None, None)),
        ("new_height: 16 new_width: 24", "", (None, 3, 16, 24), (None, 1, 16, 24)),
        (
            "new_height: 16 new_width: 24 label_divide_factor: 8",
            "",
            (None, 3, 16, 24),
            (None, 1, 2, 3),
        ),
        (
            "new_height: 16 new_width: 24 crop_height: 5 crop_width: 6",
            "",
            (None, 3, 5, 6),
            (None, 1, 5, 6),
        ),
        ("", "transform_param { crop_size: 7 }", (None, 3, 7, 7), (None, 1, 7, 7)),
    ],
)
def test_dense_image_data(fields, more, images, labels, tmp_path):
    text = DENSE.format(fields=fields, more=more)
    (tmp_path / "net.prototxt").write_text(text)
    network = convert.load_network(tmp_path / "net.prototxt")
    assert [blob.shape for blob in network.inputs] == [images, labels]
    assert network.layers[0].params.fields["dense_image_data_param"]["batch_size"] == 3
    assert len(build(tmp_path, text).inputs) == 2


# SegNet's weights of classes

LOSS = """layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "data" bottom: "label" top: "loss"
  loss_param {{ ignore_label: 3 {fields} }} }}"""
WEIGHTS = "class_weighting: 0.5 class_weighting: 4 class_weighting: 1 "


def weighted_loss(scores, labels, weights):
    """Loss and its gradient by SegNet's softmax_loss_layer.cpp: divided by what counts."""
    exponents = np.exp(scores - scores.max(1, keepdims=True))
    probabilities = exponents / exponents.sum(1, keepdims=True)
    loss, gradient, count = 0.0, np.zeros(scores.shape), 0
    for image, row, column in np.ndindex(scores.shape[0], *scores.shape[2:]):
        label = int(labels[image, 0, row, column])
        if label == 3:
            continue
        place = (image, slice(None), row, column)
        loss -= weights[label] * np.log(probabilities[place][label])
        gradient[place] = weights[label] * (probabilities[place] - np.eye(3)[label])
        count += 1
    return loss / count, gradient / count


@pytest.mark.parametrize("weighted", [False, True])
def test_weights_of_classes(weighted, tmp_path):
    fields = WEIGHTS + f"weight_by_label_freqs: {str(weighted).lower()}"
    text = data(2, 3, 4, 5) + data(2, 1, 4, 5, name="label") + LOSS.format(fields=fields)
    model = build(tmp_path, text)
    scores = normal(2, 3, 4, 5)
    labels = np.random.default_rng(1).integers(0, 4, (2, 1, 4, 5)).astype("float32")
    weights = (0.5, 4.0, 1.0) if weighted else (1.0, 1.0, 1.0)
    loss, gradient = weighted_loss(scores, labels, weights)
    inputs = [tf.constant(to_channels_last(array)) for array in (scores, labels)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        actual = model(inputs)
    assert_close(actual, loss)
    assert_close(to_caffe_order(tape.gradient(actual, inputs[0])), gradient)
    assert_config_round_trip(model.get_layer("loss"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("weight_by_label_freqs: true", "needs a 'class_weighting' a class"),
        ("weight_by_label_freqs: true class_weighting: 1", "has 1 weights for 3 classes"),
    ],
)
def test_wrong_weights_of_classes(fields, message, tmp_path):
    text = data(2, 3, 4, 5) + data(2, 1, 4, 5, name="label") + LOSS.format(fields=fields)
    with pytest.raises(CaffeError, match=message):
        build(tmp_path, text)
