"""Normalization by the batch in training, by statistics of the training data in use."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn import datasets
from keras_fcn.layers import BN, BatchNorm
from keras_fcn.training import PixelwiseCrossEntropy, evaluate, fine_tune, update_statistics
from keras_fcn.training.normalization import choose_normalization, describe_normalization
from keras_fcn.training.statistics import normalizations
from tests.keras_fcn.training import nets_of_all_kinds as nets
from tests.keras_fcn.training.autodiff import array, number
from tests.keras_fcn.training.nets import shapes_data
from tests.keras_fcn.training.test_resuming import OPTIONS, StopAt, Stopped, assert_same

QUICK = {
    "epochs": 2,
    "batch_size": 2,
    "learning_rate": 0.05,
    "exports": (),
    "samples": 0,
    "tensorboard": False,
    "verbose": False,
}


def bns(model):
    return [layer for layer in model.layers if isinstance(layer, BN)]


def spread(model):
    """Scales and shifts as of a trained network: channels differ."""
    rng = np.random.default_rng(0)
    for layer in bns(model):
        layer.scale.assign(rng.uniform(0.01, 0.1, layer.scale.shape))
        layer.shift.assign(rng.normal(size=layer.shift.shape))
    return model


def by_hand(model, data, batch_size, steps):
    """Means and unbiased variances of what each BN gets, averaged over batches."""
    inputs = [layer.input for layer in bns(model)]
    net = keras.Model(model.inputs, inputs)
    batches = data.to_numpy(model, batch_size, shuffle=True, seed=0, repeat=True).take(steps)
    found = [[], []]
    for images, _ in batches:
        for index, x in enumerate(net([images])):
            x = np.float64(array(x)).reshape(-1, x.shape[-1])
            found[index].append((x.mean(axis=0), x.var(axis=0, ddof=1)))
    return [np.mean(pairs, axis=0) for pairs in found]


def test_statistics_are_worked_into_scale_and_shift(data):
    """As the authors' script: averages over the batches of means and unbiased variances."""
    train, _ = data
    keras.utils.set_random_seed(0)
    model = nets.unpooling(bn_mode="learn")
    for layer in bns(model):
        layer.scale.assign(np.linspace(0.5, 2, 8))
        layer.shift.assign(np.linspace(-1, 1, 8))
    moments = by_hand(model, train, 3, steps=3)
    update_statistics(model, train, batch_size=3)
    for layer, (mean, variance) in zip(bns(model), moments, strict=True):
        scale = np.linspace(0.5, 2, 8) / np.sqrt(variance + 1e-9)
        assert layer.mode == "inference"
        np.testing.assert_allclose(layer.scale, scale, rtol=1e-4)
        np.testing.assert_allclose(layer.shift, np.linspace(-1, 1, 8) - scale * mean, atol=1e-4)


def test_moving_averages_are_replaced(data):
    train, _ = data
    x = inputs = keras.Input((None, None, 3), name="data")
    x = keras.layers.BatchNormalization(name="keras")(x)
    x = BatchNorm(name="caffe")(x)
    x = keras.layers.BatchNormalization(name="frozen", trainable=False)(x)
    x = BatchNorm(use_global_stats=True, name="stored")(x)
    model = keras_fcn.with_card(
        keras.Model(inputs, x), preprocessing=nets.coarse().card.preprocessing
    )
    before = {name: model.get_layer(name).get_weights() for name in ("frozen", "stored")}
    update_statistics(model, train, batch_size=4)
    images = [x for x, _ in train.to_numpy(model, 4, shuffle=True, repeat=True).take(2)]
    own = model.get_layer("keras")
    mean, variance = (
        np.mean([measure(x, (0, 1, 2)) for x in images], axis=0) for measure in (np.mean, np.var)
    )
    np.testing.assert_allclose(own.moving_mean, mean, atol=1e-5)
    np.testing.assert_allclose(own.moving_variance, variance, rtol=1e-4)
    caffe = model.get_layer("caffe")
    np.testing.assert_allclose(caffe.moving_mean, 0, atol=1e-4)
    np.testing.assert_allclose(caffe.moving_variance, 1, atol=1e-2)
    assert float(caffe.factor[0]) == pytest.approx(1000)
    assert (own.momentum, caffe.moving_average_fraction) == (0.99, 0.999)
    for name, weights in before.items():
        for old, new in zip(weights, model.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)


def test_a_model_without_statistics(data):
    with pytest.raises(ValueError, match="must have a layer that normalizes"):
        update_statistics(nets.coarse(), data[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "mode"),
    [
        (nets.unpooling, "inference"),
        *(
            pytest.param(make, mode, marks=pytest.mark.slow)
            for make, mode in [
                (nets.unpooling, "learn"),
                (nets.adding, "inference"),
                (nets.adding, "learn"),
            ]
        ),
    ],
)
def test_fine_tune_trains_by_the_batch_and_gives_inference(make, mode, data, tmp_path):
    train, val = data
    keras.utils.set_random_seed(0)
    model = make(bn_mode=mode)
    modes = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            modes.append({layer.mode for layer in bns(self.model)})

    result = fine_tune(model, train, val, tmp_path / "run", callbacks=[Watch()], **QUICK)
    assert modes
    assert all(found == {"learn"} for found in modes)
    assert all(layer.mode == "inference" for layer in bns(result.model))
    again = evaluate(result.model, val)
    np.testing.assert_array_equal(again.confusion, result.metrics.confusion)
    # In use an image's labels do not depend on what else is in the batch.
    images = np.stack([model.card.preprocessing(image) for image, _ in val])
    alone = result.model.predict(images[:1])
    np.testing.assert_allclose(result.model.predict(images)[:1], alone, atol=1e-6)


@pytest.mark.slow
def test_weights_in_use_are_those_of_the_statistics(data, tmp_path):
    """What is given is the last epoch's network, worked out with its own statistics."""
    train, val = data
    model, raw = nets.unpooling(), {}

    class Keep(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raw["weights"] = [weight.copy() for weight in self.model.get_weights()]

    options = QUICK | {"epochs": 1, "batch_size": 4, "seed": 0}
    result = fine_tune(model, train, val, tmp_path / "run", callbacks=[Keep()], **options)
    other = nets.unpooling(bn_mode="learn")
    other.set_weights(raw["weights"])
    update_statistics(other, train, batch_size=4)
    for own, wanted in zip(result.model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(own, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_trained_network_goes_on_from_what_it_did(data, tmp_path):
    """Statistics in its scale and shift are taken out before it learns."""
    train, val = data
    keras.utils.set_random_seed(0)
    model = spread(nets.unpooling())
    images = np.stack([model.card.preprocessing(image) for image, _ in val])
    before = model.predict(images)
    options = QUICK | {"epochs": 1, "batch_size": 4, "learning_rate": 1e-9}
    result = fine_tune(model, train, val, tmp_path / "run", **options)
    np.testing.assert_allclose(result.model.predict(images), before, atol=1e-4)


@pytest.mark.slow
def test_frozen_normalization_stays(data, tmp_path, capsys):
    train, val = data
    model = spread(nets.unpooling())
    before = [layer.get_weights() for layer in bns(model)]
    fine_tune(model, train, val, tmp_path / "run", freeze=("*_bn",), **QUICK | {"verbose": True})
    for layer, weights in zip(bns(model), before, strict=True):
        assert layer.mode == "inference"
        for old, new in zip(weights, layer.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
    text = " ".join(capsys.readouterr().err.split())
    assert "normalization stays frozen: 2 of 2 layers (conv_bn, conv_decode_bn)" in text
    assert "to train them, do not freeze them" in text


def caffes(use_global_stats=None):
    x = inputs = keras.Input((None, None, 3), name="data")
    x = keras.layers.Conv2D(4, 3, name="conv")(x)
    x = BatchNorm(use_global_stats=use_global_stats, name="norm")(x)
    return keras.Model(inputs, keras.layers.BatchNormalization(name="keras")(x))


def test_what_is_said_of_normalization():
    model = caffes()
    (line,) = describe_normalization(model, ())
    assert line.startswith("normalization: 2 of 2 layers normalize by each batch in training")
    model = caffes(use_global_stats=True)
    by_batch, stored = describe_normalization(model, ())
    assert by_batch.startswith("normalization: 1 of 2")
    assert "1 of 2 layers (norm) keep stored statistics" in stored
    assert "to train them, batch_norm='batch'" in stored
    assert describe_normalization(keras.Sequential([keras.Input((3,))]), ()) == []


def test_normalization_is_chosen():
    model = caffes(use_global_stats=True)
    choose_normalization(model, "batch")
    assert model.get_layer("norm").use_global_stats is None
    choose_normalization(model, "stored")
    assert not any(layer.trainable for layer in normalizations(model))
    assert len(describe_normalization(model, ())) == 1


def values(layer):
    return [np.array(variable) for variable in layer.variables]


def normalized(use_global_stats=None, trainable=True):
    """Keras' layer and Caffe's, with statistics that are not those of the data."""
    x = inputs = keras.Input((None, None, 3), name="data")
    x = keras.layers.Conv2D(4, 3, padding="same", name="conv")(x)
    x = BatchNorm(use_global_stats=use_global_stats, name="caffe", trainable=trainable)(x)
    x = keras.layers.BatchNormalization(name="keras", trainable=trainable)(x)
    x = keras.layers.Conv2D(nets.CLASSES, 1, name="score")(x)
    model = keras.Model(inputs, x)
    rng = np.random.default_rng(0)
    for name in ("caffe", "keras"):
        for variable in model.get_layer(name).variables:
            variable.assign(rng.uniform(0.5, 2, variable.shape))
    return keras_fcn.with_card(model, preprocessing=nets.coarse().card.preprocessing)


@pytest.mark.parametrize(
    ("batch_norm", "given", "moves"),
    [
        pytest.param("stored", {}, False, marks=pytest.mark.slow),
        ("stored", {"use_global_stats": False}, False),
        ("auto", {}, True),
        pytest.param("auto", {"trainable": False}, False, marks=pytest.mark.slow),
        pytest.param("batch", {"trainable": False}, True, marks=pytest.mark.slow),
        pytest.param("batch", {"use_global_stats": True}, True, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_what_is_frozen_and_what_is_told(batch_norm, given, moves, data, tmp_path, capsys):
    """Statistics, scale and shift, and what the first update is made of."""
    train, val = data
    keras.utils.set_random_seed(0)
    model = normalized(**given)
    names = ("caffe", "keras")
    before = {name: values(model.get_layer(name)) for name in names}
    images, labels = next(iter(train.to_numpy(model, 8, shuffle=True, repeat=True)))
    loss = PixelwiseCrossEntropy()
    model.get_layer("caffe").use_global_stats = True
    stored = number(loss(labels, model(images, training=False)))
    model.get_layer("caffe").use_global_stats = given.get("use_global_stats")
    options = QUICK | {"epochs": 1, "batch_size": 8, "batch_norm": batch_norm, "verbose": True}
    result = fine_tune(model, train, val, tmp_path / "run", **options)
    for name in names:
        moved = [
            (old != new).any()
            for old, new in zip(before[name], values(result.model.get_layer(name)), strict=True)
        ]
        assert moved == [moves] * len(moved), name
    first = result.history[0]["loss"]
    assert (first == pytest.approx(stored, rel=1e-5)) != moves
    told = " ".join(capsys.readouterr().err.split())
    assert ("normalization stays frozen: 2 of 2 layers (caffe, keras)" in told) != moves
    assert ("normalization: 2 of 2 layers normalize by each batch" in told) == moves


def test_stored_statistics_that_are_not_there(data, tmp_path):
    train, val = data
    options = QUICK | {"batch_norm": "stored"}
    with pytest.raises(
        ValueError, match=r"`batch_norm` can be.*has none.*Received: layer 'conv_bn'"
    ):
        fine_tune(nets.unpooling(bn_mode="learn"), train, val, tmp_path / "run", **options)
    frozen = BatchNorm(use_global_stats=False, trainable=False)
    (line,) = describe_normalization(keras.Sequential([keras.Input((4, 4, 3)), frozen]), ())
    assert line.startswith("normalization: 1 of 1 layers normalize by each batch")


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{"batch_size": 1}, {"mixed_precision": "mixed_bfloat16"}, {"iter_size": 2}], ids=str
)
def test_other_ways_to_train(options, data, tmp_path):
    train, val = data
    options = QUICK | {"epochs": 3, "validate_every": 3} | options
    result = fine_tune(nets.unpooling(), train, val, tmp_path / "run", **options)
    losses = [row["loss"] for row in result.history]
    assert losses[-1] < losses[0]
    assert np.isfinite(result.history[-1]["val_loss"])


@pytest.mark.slow
def test_a_stopped_run_goes_on_exactly(data, tmp_path):
    train, val = data

    def run(folder, callbacks=(), seed=0):
        keras.utils.set_random_seed(seed)
        model = spread(nets.unpooling())
        return fine_tune(model, train, val, folder, callbacks=callbacks, **OPTIONS | {"epochs": 2})

    whole = run(tmp_path / "whole")
    with pytest.raises(Stopped):
        run(tmp_path / "broken", [StopAt(0, 2)])
    assert_same(run(tmp_path / "broken", seed=9), whole)
    assert_same(run(tmp_path / "whole", seed=5), whole)


@pytest.mark.slow
def test_exports_are_those_of_the_network_in_use(data, tmp_path):
    train, val = data
    model = nets.unpooling(size=(32, 32))
    options = QUICK | {"exports": ("keras", "saved_model")}
    result = fine_tune(model, train, val, tmp_path / "run", **options)
    image, _ = val.read(0)
    said = keras_fcn.predict(result.model, image)
    for name in ("model.keras", "saved_model"):
        loaded = keras_fcn.load(tmp_path / "run" / name)
        np.testing.assert_allclose(keras_fcn.predict(loaded, image), said, atol=1e-6)


PROTOTXT = """
name: "small"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 3, 32, 32] } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 6 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "bn" type: "BN" bottom: "conv" top: "conv" bn_param { bn_mode: MODE
  scale_filler { type: "constant" value: 1 } shift_filler { type: "constant" value: 0.001 } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "score" type: "Convolution" bottom: "conv" top: "score"
  convolution_param { num_output: 4 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "score" top: "prob" }
"""


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["LEARN", "INFERENCE"])
def test_a_converted_network_goes_back_to_caffe(mode, data, tmp_path):
    """Its prototxt has statistics worked in, whatever the one it came from said."""
    train, val = data
    (tmp_path / "net.prototxt").write_text(PROTOTXT.replace("MODE", mode))
    own = nets.coarse().card.preprocessing
    model = keras_fcn.from_caffe(tmp_path / "net.prototxt", preprocessing=own)
    result = fine_tune(model, train, val, tmp_path / "run", **QUICK | {"epochs": 1})
    keras_fcn.export(result.model, tmp_path / "back", "caffe")
    assert "LEARN" not in (tmp_path / "back.prototxt").read_text()
    back = keras_fcn.from_caffe(
        tmp_path / "back.prototxt", tmp_path / "back.caffemodel", preprocessing=own
    )
    image, _ = val.read(0)
    said = keras_fcn.predict(result.model, image)
    np.testing.assert_allclose(keras_fcn.predict(back, image), said, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("make", [nets.unpooling, nets.adding])
def test_shapes_are_learned(make, tmp_path):
    """Far more than the background alone, whose mean IoU is a quarter of its share."""
    train, val = shapes_data(tmp_path / "shapes", train=24, val=6)
    keras.utils.set_random_seed(0)
    options = QUICK | {"epochs": 10, "optimizer": "adam", "learning_rate": 0.01}
    options |= {"weight_decay": 0, "validate_every": 5, "batch_size": 4}
    result = fine_tune(make(), train, val, tmp_path / "run", **options)
    assert result.metrics.mean_iou > 0.4


@pytest.mark.slow
@pytest.mark.timeout(900)  # 720 updates
def test_a_segnet_labels_shapes(tmp_path):
    """In 720 updates; frozen at its first weights it would stay near a quarter."""
    train, val = shapes_data(tmp_path / "shapes", train=320, val=40, size=(72, 72))
    keras.utils.set_random_seed(0)
    options = QUICK | {"epochs": 9, "optimizer": "adam", "learning_rate": 4e-3}
    options |= {"weight_decay": 0, "validate_every": 9, "batch_size": 4}
    model = nets.unpooling(levels=3, width=20, kernel=5)
    result = fine_tune(
        model,
        train,
        val,
        tmp_path / "run",
        augmentation=datasets.Augmentation(scale=(1.0, 1.0)),
        **options,
    )
    assert result.metrics.mean_iou > 0.87  # 0.893 when it was written
