"""Networks that classify whole images, trained and evaluated."""

from __future__ import annotations

import csv
import dataclasses
import json

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn import datasets
from keras_fcn.core.card import card_of, update_card
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.training import ClassificationResult, evaluate, fine_tune
from keras_fcn.training.class_results import hits_among_best
from tests.keras_fcn.datasets import pictures
from tests.keras_fcn.training import nets
from tests.keras_fcn.training.class_data import PROTOTXT, SIZE, database, quadrants, small

NAMES = ("upper left", "upper right", "lower left", "lower right")
SHAPES = {"data": (1, SIZE, SIZE)}
OPTIONS = {
    "batch_size": 8,
    "learning_rate": 0.1,
    "lr_policy": "fixed",
    "exports": ("keras",),
    "samples": 2,
    "tensorboard": False,
    "verbose": False,
}


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classes")
    return database(folder / "train", 64), database(folder / "val", 24, seed=1)


@pytest.fixture(scope="module")
def data(paths):
    return tuple(datasets.load_lmdb_classes(path, classes=NAMES) for path in paths)


def run(folder, data, model=small, **options):
    return fine_tune(model, *data, folder, **OPTIONS | options)


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    return run(tmp_path_factory.mktemp("runs") / "run", data, epochs=4)


def classified(model, data):
    confusion = np.zeros((len(data.classes),) * 2, int)
    for image, label in data:
        confusion[label, keras_fcn.classify(model, image, 1)[0]["index"]] += 1
    return confusion


def test_a_run(finished, data):
    folder = finished.run_folder
    assert isinstance(finished.metrics, ClassificationResult)
    assert finished.metrics.accuracy == 1
    assert [row["accuracy"] for row in finished.history][-1] == 1
    assert finished.history[-1]["val_loss"] < finished.history[0]["val_loss"]
    assert finished.best_epoch == 1 + np.argmax([row["accuracy"] for row in finished.history])
    assert "accuracy 1.0000" in repr(finished)
    config = json.loads((folder / "config.json").read_text())
    assert config["options"]["monitor"] == "accuracy"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["accuracy"] == 1
    assert str(finished.metrics) in (folder / "metrics.txt").read_text()
    header, *rows = csv.reader((folder / "confusion.csv").read_text().splitlines())
    assert header == ["label", *NAMES]
    table = [list(map(int, row[1:])) for row in rows]
    assert table == finished.metrics.confusion.tolist() == np.diag([6] * 4).tolist()
    samples = sorted(path.name for path in (folder / "samples").iterdir())
    assert samples == ["0_0000.png", "1_0023.png"]


def test_the_saved_model_knows_its_classes_and_images(finished, data):
    loaded = keras_fcn.load(finished.run_folder / "model.keras")
    card = card_of(loaded)
    assert (card.classes.names, card.classes.ignore) == (NAMES, None)
    image, label = data[1][2]
    (best,) = keras_fcn.classify(loaded, image, 1)
    assert (best["label"], best["index"]) == (NAMES[label], label)
    result = evaluate(loaded, data[1], batch_size=5)
    np.testing.assert_array_equal(result.confusion, classified(loaded, data[1]))
    assert result.to_dict() == finished.metrics.to_dict()


def test_evaluate_counts_what_classify_says(data):
    """Of a network that is often wrong."""
    model = small(seed=3)
    result = evaluate(model, data[1], batch_size=7)
    expected = classified(model, data[1])
    assert 0 < np.trace(expected) < expected.sum()
    np.testing.assert_array_equal(result.confusion, expected)
    logits = small(softmax=False, seed=3)
    np.testing.assert_array_equal(evaluate(logits, data[1]).confusion, expected)


@pytest.mark.slow
def test_a_run_that_goes_on_ends_as_an_unbroken_one(finished, data, tmp_path):
    run(tmp_path / "run", data, epochs=2)
    again = run(tmp_path / "run", data, epochs=4)
    assert [row["loss"] for row in again.history] == [row["loss"] for row in finished.history]
    with pytest.raises(ValueError, match=r"options\.learning_rate"):
        run(tmp_path / "run", data, epochs=4, learning_rate=0.3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"monitor": "mean_iou"}, "`monitor` must be one of accuracy, .* for images with one"),
        ({"loss": "dice"}, "`loss`: for maps of classes.*Received: loss='dice'"),
        ({"loss": "cross_entropy+0.5*ohem"}, "`loss`: for maps"),
        ({"loss_on": "map"}, "`loss_on`: for maps"),
        ({"auxiliary": {"conv1": 0.4}}, "`auxiliary`: for maps"),
        ({"model": nets.tiny}, "one label each the network must have one output, a vector"),
        ({"model": lambda: squashed()}, "must end in logits or a softmax.*sigmoid"),
        ({"model": lambda: small(5), "new_head": False}, "must score the 4 classes of the data"),
    ],
)
def test_what_does_not_suit_is_refused(options, message, data, tmp_path):
    with pytest.raises(ValueError, match=message):
        run(tmp_path / "run", data, **{"epochs": 1, **options})
    assert not (tmp_path / "run").exists()


def squashed():
    inputs = keras.Input((SIZE, SIZE, 1))
    x = keras.layers.Dense(4, activation="sigmoid")(keras.layers.Flatten()(inputs))
    return keras_fcn.with_card(
        keras.Model(inputs, x), preprocessing=Preprocessing(channels=1, mean=None)
    )


def test_masks_and_a_classifier_do_not_go_together(tmp_path):
    masks = nets.shapes_data(tmp_path / "data", 2, 1)
    classifier = keras_fcn.with_card(
        keras.Sequential(
            [keras.Input((32, 32, 3)), keras.layers.Flatten(), keras.layers.Dense(4)],
        ),
        preprocessing=Preprocessing(mean=None),
    )
    with pytest.raises(ValueError, match="for masks the network must have one output, a map"):
        run(tmp_path / "run", masks, classifier, epochs=1)
    with pytest.raises(ValueError, match=r"`monitor` must be one of mean_iou.* for masks"):
        run(tmp_path / "run", masks, classifier, monitor="accuracy")


@pytest.mark.slow
def test_a_focal_loss_and_weights_train_too(data, tmp_path):
    result = run(
        tmp_path / "run", data, epochs=6, loss="focal", class_weights="median_frequency", samples=0
    )
    assert result.metrics.accuracy > 0.9


@pytest.mark.slow
def test_labels_beyond_the_outputs(paths, tmp_path):
    """Found in the data they are refused; said, the network gets a new head, as for masks."""
    train, val = (datasets.load_lmdb_classes(path) for path in paths)
    with pytest.raises(ValueError, match="labels up to 3, and the network scores 3 classes"):
        run(tmp_path / "run", (train, val), lambda: small(3), epochs=1)
    assert not (tmp_path / "run").exists()
    said = tuple(datasets.load_lmdb_classes(path, classes=4) for path in paths)
    result = run(tmp_path / "run", said, lambda: small(3), epochs=1, samples=0)
    assert result.model.output_shape == (None, 4)
    # Fewer labels than outputs are those of the first classes.
    wide = run(tmp_path / "wide", (train, val), lambda: small(6), epochs=2)
    assert wide.model.output_shape == (None, 6)
    assert wide.metrics.classes == tuple(f"class {index}" for index in range(6))
    assert set(wide.history[-1]) >= {"accuracy", "top_5_accuracy"}
    with pytest.raises(ValueError, match="labels up to 3, and the network scores 3 classes"):
        evaluate(small(3), val)


@pytest.mark.slow
def test_a_network_that_knows_the_names_keeps_their_order(data, tmp_path):
    """Folders are in another order than the network's outputs, and one class is not there."""
    for label, name in enumerate(NAMES):
        for index in range(4):
            pictures.save(tmp_path / "train" / name / f"{index}.png", quadrants(label, index)[0])
            if label:
                pictures.save(tmp_path / "val" / name / f"{index}.png", quadrants(label, 9)[0])
    train, val = (datasets.load(tmp_path, split) for split in ("train", "val"))
    assert train.classes == tuple(sorted(NAMES)) != NAMES
    trained = run(tmp_path / "first", data, epochs=3, samples=0).model
    assert evaluate(trained, val).confusion.tolist() == np.diag([0, 4, 4, 4]).tolist()
    result = run(tmp_path / "run", (train, val), trained, epochs=1, samples=0)
    assert result.metrics.classes == NAMES
    assert card_of(result.model).classes.names == NAMES
    update_card(trained, classes=None)
    assert evaluate(trained, train).classes == train.classes  # as nothing names the outputs


@pytest.mark.slow
def test_a_size_that_the_network_crops(data, tmp_path):
    result = run(tmp_path / "run", data, epochs=1, size=(14, 14), samples=1)
    own = card_of(result.model).preprocessing
    assert (own.size, own.crop) == ((14, 14), (SIZE, SIZE))
    again = evaluate(keras_fcn.load(tmp_path / "run" / "model.keras"), data[1])
    assert again.to_dict() == result.metrics.to_dict()


@pytest.mark.slow
def test_images_of_several_sizes_are_not_filled_up(tmp_path):
    for name, size in (("a", (12, 12)), ("b", (12, 14))):
        pictures.save(tmp_path / name / "0.png", pictures.image(0, size))
    inputs = keras.Input((None, None, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(x))
    data = datasets.load(tmp_path)
    options = {"preprocessing": Preprocessing(mean=None), "epochs": 1, "samples": 0}
    with pytest.raises(ValueError, match="of one size in a batch; give `size`"):
        run(tmp_path / "run", (data, data), model, **options)
    assert run(tmp_path / "run", (data, data), model, size=(12, 12), **options).history


@pytest.fixture
def training_net(tmp_path):
    (tmp_path / "train_test.prototxt").write_text(PROTOTXT)
    return tmp_path / "train_test.prototxt"


@pytest.mark.slow
def test_a_network_of_caffes_training_files(training_net, data, tmp_path):
    """Its loss becomes a softmax; its scale and multipliers of learning rates are used."""
    net = keras_fcn.from_caffe(training_net, input_shapes=SHAPES, seed=0)
    own = card_of(net).preprocessing
    assert own == Preprocessing(channels=1, mean=None, input_scale=0.00390625)
    result = run(tmp_path / "run", data, net, epochs=3, learning_rate=0.05)
    assert result.metrics.accuracy == 1
    loaded = keras_fcn.load(tmp_path / "run" / "model.keras")
    assert [tensor.name for tensor in loaded.inputs] == ["data"]
    assert loaded.output_shape == (None, 4)
    np.testing.assert_allclose(
        sum(found["score"] for found in keras_fcn.classify(loaded, data[1][0][0])), 1, rtol=1e-5
    )
    assert evaluate(net, data[1]).to_dict() == result.metrics.to_dict()  # with its loss


POOLED = """
layer {{ name: "data" type: "Input" top: "data"
  input_param {{ shape {{ dim: 1 dim: 1 dim: {size} dim: {size} }} }} }}
layer {{ name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param {{ num_output: 4 kernel_size: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "pool" type: "Pooling" bottom: "conv1" top: "pool"
  pooling_param {{ pool: AVE kernel_size: 10 }} }}
layer {{ name: "prob" type: "Softmax" bottom: "pool" top: "prob" }}
"""


@pytest.mark.slow
def test_a_classifier_that_pools_at_its_declared_size(data, tmp_path):
    """As SqueezeNet and NiN do: a map of one position at that size, of more at others."""
    (tmp_path / "net.prototxt").write_text(POOLED.format(size=SIZE))
    net = keras_fcn.from_caffe(
        tmp_path / "net.prototxt", seed=0, preprocessing=Preprocessing(channels=1, mean=None)
    )
    assert net.output_shape == (None, None, None, 4)
    model = run(tmp_path / "run", data, net, epochs=1, learning_rate=1e-5).model
    np.testing.assert_array_equal(evaluate(model, data[1]).confusion, classified(model, data[1]))
    (tmp_path / "net.prototxt").write_text(POOLED.format(size=SIZE + 4))
    larger = keras_fcn.from_caffe(
        tmp_path / "net.prototxt", preprocessing=Preprocessing(channels=1, mean=None)
    )
    with pytest.raises(ValueError, match="one that gives a map is for masks"):
        run(tmp_path / "larger", data, larger, epochs=1)


@pytest.mark.slow
def test_multipliers_of_caffes_training_files(training_net, data, tmp_path):
    """The bias learns twice as fast as without its multiplier."""
    moved = {}
    for use in (True, False):
        net = keras_fcn.from_caffe(training_net, input_shapes=SHAPES, seed=0)
        options = {"epochs": 1, "steps_per_epoch": 1, "caffe_multipliers": use, "samples": 0}
        run(tmp_path / str(use), data, net, **options)
        moved[use] = net.get_layer("ip").bias.numpy()
    np.testing.assert_allclose(moved[True], 2 * moved[False], rtol=1e-4)


@pytest.mark.slow
def test_several_losses_need_an_output(training_net, data, tmp_path):
    two = PROTOTXT + PROTOTXT.splitlines()[-1].replace('"loss"', '"loss2"')
    training_net.write_text(two)
    net = keras_fcn.from_caffe(training_net, input_shapes=SHAPES)
    with pytest.raises(ValueError, match=r"several losses; .*outputs=.*loss2"):
        run(tmp_path / "run", data, net, epochs=1)
    one = keras_fcn.from_caffe(training_net, input_shapes=SHAPES, outputs=["ip"])
    assert run(tmp_path / "run", data, one, epochs=1, samples=0).history


@pytest.mark.parametrize(
    ("scores", "label", "rank"),
    [
        ([0.1, 0.5, 0.4], 1, 1),
        ([0.1, 0.5, 0.4], 0, 3),
        ([0.2, 0.2, 0.2], 1, 2),  # of equal scores the lower index is the better
        ([np.nan, 1.0, 1.0], 0, 4),
    ],
)
def test_hits_among_the_best(scores, label, rank):
    hits = [hits_among_best(np.array([scores]), np.array([label]), top) for top in (1, 2, 3)]
    assert hits == [int(rank <= top) for top in (1, 2, 3)]


def test_results():
    confusion = np.array([[3, 1, 0], [0, 0, 0], [2, 0, 4]])
    result = ClassificationResult(("a", "b", "c"), confusion, 9)
    assert result.accuracy == 0.7
    assert (result.class_accuracy[0], result.class_accuracy[2]) == (0.75, 4 / 6)
    assert np.isnan(result.class_accuracy[1])
    assert result.mean_class_accuracy == (0.75 + 4 / 6) / 2
    np.testing.assert_array_equal(result.precision, [0.6, 0, 1])
    assert result.confused() == [("c", "a", 2), ("a", "b", 1)]
    assert "c taken for a: 2" in str(result)
    assert "top_5_accuracy" not in result.summary()
    again = ClassificationResult.from_dict(json.loads(json.dumps(result.to_dict())))
    assert again.to_dict() == result.to_dict()
    many = dataclasses.replace(
        result, classes=tuple("abcdef"), confusion=np.eye(6, dtype=int), top_hits=5
    )
    assert many.summary()["top_5_accuracy"] == 5 / 6
