"""Training gives the same on every Keras backend; these tests run on each."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.core.card import Card
from keras_fcn.core.model import CaffeFunctional
from keras_fcn.layers import BN
from keras_fcn.training import evaluate, find_strategy, fine_tune
from keras_fcn.training.loss_choice import FunctionLoss
from keras_fcn.training.runtime.limits import within_backend
from tests.keras_fcn.training.nets import CLASSES, PREPROCESSING

BACKEND = keras.backend.backend()
QUICK = {"exports": (), "tensorboard": False, "samples": 0, "verbose": False}


def net(normalized: bool = False) -> CaffeFunctional:
    """A network whose weights do not depend on the backend."""
    x = inputs = keras.Input((None, None, 3), name="data")
    x = keras.layers.Conv2D(8, 3, 2, padding="same", name="conv1")(x)
    if normalized:
        x = keras.layers.BatchNormalization(momentum=0.5, name="norm")(x)
        x = BN(name="bn")(x)
    x = keras.layers.ReLU(name="relu1")(x)
    x = keras.layers.Conv2D(8, 3, padding="same", activation="relu", name="conv2")(x)
    x = keras.layers.Conv2D(CLASSES, 1, name="score")(x)
    x = keras_fcn.PixelwiseSoftmax(name="prob")(x)
    card = Card("net", preprocessing=PREPROCESSING)
    model = CaffeFunctional(inputs, x, name="net", card=card)
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        if "kernel" in variable.name:
            variable.assign(0.3 * rng.normal(size=variable.shape).astype("float32"))
    return model


def hinge(labels, logits):
    """A loss of each pixel alone."""
    own = keras.ops.take_along_axis(logits, labels[:, None], axis=1)
    return keras.ops.mean(keras.ops.relu(1 + logits - own), axis=1)


#: Options, the losses of three epochs on TensorFlow, and the mean IoU of the best epoch.
CASES = {
    "momentum": (
        {"clip_gradients": 1.0, "iter_size": 2, "multipliers": {"*/bias": (2.0, 0.0)}},
        (1.631092, 1.620539, 1.604187),
        0.1591,
    ),
    "own loss": (
        {"loss": hinge, "crop_size": (28, 24), "balance_classes": True, "warmup": 3},
        (1.114021, 1.217019, 1.099671),
        0.1636,
    ),
    "adam": (
        {
            "optimizer": "adam",
            "learning_rate": 0.01,
            "regularization": "L1",
            "multipliers": {"conv1/*": (0.5, 1.0)},
        },
        (1.523213, 1.226894, 1.109229),
        0.1744,
    ),
    "statistics": (
        {"normalized": True, "optimizer": "nadam"},
        (1.584419, 1.292054, 1.177964),
        0.1713,
    ),
    "regions": ({"loss": "lovasz+0.5*dice+0.2*ohem"}, (1.506579, 1.48877, 1.443127), 0.1665),
    "weights": (
        {
            "loss": "focal",
            "class_weights": "median_frequency",
            "normalization": "full",
            "loss_on": "map",
        },
        (0.520532, 0.497575, 0.466057),
        0.1522,
    ),
}
QUICK_CASES = ("momentum",)


def losses(data, folder, options):
    train, val = data
    options = dict(options)
    model = net(options.pop("normalized", False))
    result = fine_tune(model, train, val, folder, epochs=3, batch_size=4, **options, **QUICK)
    return [row["loss"] for row in result.history], result


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK_CASES else pytest.mark.slow) for name in CASES],
)
def test_the_losses_are_tensorflows(name, data, tmp_path):
    options, expected, mean_iou = CASES[name]
    found, result = losses(data, tmp_path / "run", options)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert result.metrics.mean_iou == pytest.approx(mean_iou, abs=2e-3)
    _, val = data
    again = evaluate(result.model, val)
    np.testing.assert_array_equal(again.confusion, result.metrics.confusion)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(policy, data, tmp_path):
    plain, result = losses(data, tmp_path / "plain", {"optimizer": "nadam"})
    mixed, other = losses(
        data, tmp_path / "mixed", {"optimizer": "nadam", "mixed_precision": policy}
    )
    np.testing.assert_allclose(mixed, plain, rtol=5e-3)
    assert mixed != plain
    for one, two in zip(result.model.weights, other.model.weights, strict=True):
        difference = np.abs(np.subtract(*map(keras.ops.convert_to_numpy, (one, two))))
        assert difference.mean() < 2e-3


def by_the_mean(labels, logits):
    return keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True) / (
        keras.ops.cast(keras.ops.size(labels), "float32")
    )


def one_number(labels, logits):
    return keras.ops.mean(hinge(labels, logits))


@pytest.mark.skipif(BACKEND != "jax", reason="the others pick the pixels that count")
@pytest.mark.parametrize("function", [by_the_mean, one_number])
def test_jax_refuses_losses_of_several_pixels(function, data, tmp_path):
    refusal = f"on JAX a `loss` .* names `ignore_index`.*{function.__name__}"
    with pytest.raises(ValueError, match=refusal):
        losses(data, tmp_path / "run", {"loss": function})
    assert not (tmp_path / "run").exists()


def test_void_pixels_are_not_seen_by_a_function():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(1, 3, 4, CLASSES)).astype("float32")
    labels = rng.integers(CLASSES, size=(1, 3, 4)).astype("int32")
    labels[0, 1, :3] = 255
    total, divisor = FunctionLoss(hinge).parts(labels, logits)
    counted = labels != 255
    known = map(keras.ops.convert_to_tensor, (labels[counted], logits[counted]))
    expected = keras.ops.convert_to_numpy(hinge(*known))
    assert float(divisor) == counted.sum() == 9
    assert float(total) == pytest.approx(expected.sum(), rel=1e-5)
    total, divisor = FunctionLoss(hinge).parts(np.full_like(labels, 255), logits)
    assert (float(total), float(divisor)) == (0, 0)


def test_what_tensorflow_writes_is_left_out_elsewhere(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    options, note = within_backend({"epochs": 3})
    assert options == {"epochs": 3, "exports": ("keras",), "tensorboard": False}
    assert note == "on jax there is no saved_model/ and no tensorboard/, which TensorFlow writes"
    assert within_backend(QUICK) == (QUICK, None)
    for name, asked in {"saved_model": ("keras", "saved_model"), "litert": ["litert"]}.items():
        with pytest.raises(ValueError, match=f"^{name}: TensorFlow writes .* backend is jax"):
            within_backend({"exports": asked})
    with pytest.raises(ValueError, match=r"^tensorboard: TensorFlow writes"):
        within_backend({"tensorboard": True})
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    assert within_backend({"epochs": 3}) == ({"epochs": 3}, None)


@pytest.mark.skipif(BACKEND == "tensorflow", reason="strategies are TensorFlow's")
def test_strategies_are_refused(data, tmp_path):
    with pytest.raises(ValueError, match="TensorFlow's"):
        find_strategy()
    with pytest.raises(ValueError, match="TensorFlow's"):
        fine_tune(net(), *data, tmp_path / "run", strategy=object(), **QUICK)


def test_a_run_may_go_on_with_another_backend(data, tmp_path, capsys):
    options = {"batch_size": 4, **QUICK}
    fine_tune(net(), *data, tmp_path, epochs=1, **options)
    file = tmp_path / "config.json"
    config = json.loads(file.read_text())
    assert config["backends"] == [BACKEND]
    file.write_text(json.dumps({**config, "backends": ["theano"]}))
    capsys.readouterr()
    fine_tune(net(), *data, tmp_path, epochs=2, **{**options, "verbose": True})
    assert f"the run was on theano and goes on with {BACKEND}: " in capsys.readouterr().err
    assert json.loads(file.read_text())["backends"] == ["theano", BACKEND]
