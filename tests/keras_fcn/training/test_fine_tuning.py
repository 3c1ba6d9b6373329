from __future__ import annotations

import csv
import json

import keras
import numpy as np
import pytest
from PIL import Image

import keras_fcn
from keras_fcn import datasets
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.training import evaluate, fine_tune
from tests.keras_fcn.training.nets import shapes_data, tiny

QUICK = {"batch_size": 4, "exports": (), "samples": 0, "tensorboard": False, "verbose": False}


def weights(model):
    return [weight.copy() for weight in model.get_weights()]


def test_a_run_leaves_everything_in_its_folder(data, tmp_path, capsys):
    tf = pytest.importorskip("tensorflow")
    train, val = data
    options = {"epochs": 3, "batch_size": 4, "learning_rate": 0.1, "samples": 2, "seed": 3}
    result = fine_tune(
        tiny(), train, val, tmp_path / "run", augmentation=datasets.Augmentation(), **options
    )
    folder = result.run_folder
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert float(rows[-1]["mean_iou"]) == result.history[-1]["mean_iou"]
    assert json.loads((folder / "config.json").read_text())["options"]["seed"] == 3
    stored = json.loads((folder / "metrics.json").read_text())
    assert stored["mean_iou"] == result.metrics.mean_iou
    assert (folder / "metrics.txt").read_text() == f"{result.metrics}\n"
    assert [path.name for path in sorted((folder / "samples").iterdir())] == [
        "0_val_0000.png",
        "1_val_0001.png",
    ]
    with Image.open(folder / "samples" / "0_val_0000.png") as picture:
        assert picture.width > 64

    image, _ = val.read(0)
    said = keras_fcn.predict(result.model, image)
    loaded = keras.models.load_model(folder / "model.keras")
    np.testing.assert_array_equal(keras_fcn.predict(loaded, image), said)
    for model in (result.model, loaded, keras_fcn.load(folder / "saved_model")):
        assert model.card.classes.names == train.classes
        assert model.card.classes.ignore == train.ignore_index
        assert model.card.preprocessing == tiny().card.preprocessing
    served = tf.saved_model.load(folder / "saved_model").signatures["serving_default"]
    assert set(served.structured_outputs) == {"prob"}
    again = evaluate(loaded, val)
    np.testing.assert_array_equal(again.confusion, result.metrics.confusion)

    (events,) = (folder / "tensorboard").iterdir()
    written = [
        tf.compat.v1.Event.FromString(x.numpy()) for x in tf.data.TFRecordDataset(str(events))
    ]
    tags = [value.tag for event in written for value in event.summary.value]
    assert tags.count("loss") == 3
    assert tags.count("val_0001") == 3
    assert "epoch 3/3" in capsys.readouterr().err


def test_evaluation_is_what_segment_says(data):
    _, val = data
    model = tiny()
    metrics = keras_fcn.training.SegmentationMetrics(val.classes)
    for image, mask in val:
        metrics.update(mask, keras_fcn.segment(model, image))
    np.testing.assert_array_equal(evaluate(model, val).confusion, metrics.confusion)


@pytest.mark.slow
def test_the_best_epoch_is_kept(data, tmp_path):
    train, val = data

    class Spoil(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch >= 1:  # far more than two updates can mend
                self.model.get_layer("score").bias.assign([-20.0, 0.0, 0.0, 0.0])

    result = fine_tune(
        tiny(),
        train,
        val,
        tmp_path / "run",
        epochs=9,
        learning_rate=0.1,
        monitor="val_loss",
        patience=2,
        callbacks=[Spoil()],
        **QUICK,
    )
    assert result.best_epoch == 2
    assert result.stopped_early
    assert len(result.history) == 4
    loss = result.history[1]["val_loss"]
    assert loss == min(row["val_loss"] for row in result.history)
    assert result.model.get_layer("score").bias[0] > -1


@pytest.mark.slow
def test_a_new_head_frozen_layers_and_rates(data, tmp_path):
    train, val = data
    model = tiny(7)
    before = {name: weights(model.get_layer(name)) for name in ("conv1", "conv2")}
    result = fine_tune(
        model,
        train,
        val,
        tmp_path / "run",
        epochs=1,
        freeze=("conv1",),
        multipliers={"conv2/*": (0.0, 1.0), "conv2/bias": (5.0, 0.0)},
        caffe_multipliers=False,
        **QUICK,
    )
    assert result.model.output_shape[-1] == 4
    after = {name: weights(result.model.get_layer(name)) for name in before}
    for name, index, moves in [
        ("conv1", 0, False),
        ("conv1", 1, False),
        ("conv2", 0, False),
        ("conv2", 1, True),
    ]:
        assert (before[name][index] != after[name][index]).any() == moves


@pytest.mark.sweep(5)
@pytest.mark.parametrize(
    "options",
    [
        {"loss_on": "map", "auxiliary": {"conv1": 0.4}},
        {"mixed_precision": "mixed_bfloat16", "class_weights": "median_frequency"},
        {"mixed_precision": "mixed_float16", "clip_gradients": 10.0},
        {"iter_size": 2, "batch_size": 2, "crop_size": (24, 24), "optimizer": "adam"},
        {"optimizer": keras.optimizers.AdamW(0.01)},
    ],
    ids=lambda options: "-".join(options),
)
def test_the_loss_falls(options, data, tmp_path):
    train, val = data
    options = QUICK | {"epochs": 3, "learning_rate": 0.05, "validate_every": 3} | options
    result = fine_tune(tiny(), train, val, tmp_path / "run", **options)
    losses = [row["loss"] for row in result.history]
    assert losses[-1] < 0.98 * losses[0]
    assert {layer.name for layer in result.model.layers} == {layer.name for layer in tiny().layers}
    assert {layer.dtype_policy.name for layer in result.model.layers} == {"float32"}


def test_a_loss_that_is_not_a_number_ends_the_run(data, tmp_path):
    train, val = data
    with pytest.raises(CaffeError, match=r"loss is (nan|inf).*learning_rate.*last\.npz"):
        fine_tune(tiny(), train, val, tmp_path / "run", epochs=9, learning_rate=1e30, **QUICK)


@pytest.mark.slow
def test_a_bad_pair_is_named_or_left_out_and_counted(tmp_path):
    train, val = shapes_data(tmp_path / "shapes")
    (tmp_path / "shapes" / "images" / "train_0003.png").write_bytes(b"no image")
    options = QUICK | {"epochs": 2}
    with pytest.raises(ValueError, match="train_0003"):
        fine_tune(tiny(), train, val, tmp_path / "run", **options)
    result = fine_tune(tiny(), train, val, tmp_path / "other", on_bad_pair="skip", **options)
    assert [row["skipped"] for row in result.history] == [1, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be at least 1"),
        ({"lr_policy": "cosine"}, "`lr_policy` must be one of"),
        ({"freeze": "conv1"}, "sequence of names"),
        ({"freeze": ("fc*",)}, "no layer matches"),
        ({"multipliers": {"fc/*": (1, 1)}}, "no parameter matches"),
        ({"class_weights": (1.0, 2.0)}, "4 numbers"),
        ({"auxiliary": {"fc7": 1.0}}, "no layer matches"),
        ({"new_head": False}, "new_head='auto'"),
    ],
)
def test_wrong_options(options, message, data, tmp_path):
    train, val = data
    with pytest.raises(ValueError, match=message):
        fine_tune(tiny(5), train, val, tmp_path / "run", **QUICK | options)
