"""Losses that a run is asked for: by name, as objects, as functions."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from keras import ops

from keras_fcn.training import (
    DiceLoss,
    FocalLoss,
    LovaszSoftmaxLoss,
    OhemCrossEntropy,
    PixelwiseCrossEntropy,
    TrainingConfig,
    fine_tune,
)
from keras_fcn.training.asked import differences
from keras_fcn.training.loss_choice import chosen_losses
from keras_fcn.training.objective import Objective, main_head
from tests.keras_fcn.training import autodiff
from tests.keras_fcn.training.autodiff import number
from tests.keras_fcn.training.nets import tiny
from tests.keras_fcn.training.test_fine_tuning import QUICK
from tests.keras_fcn.training.test_losses import pixels, value_and_gradient

entropy_of_pixels = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def mean_entropy(labels, logits):
    return ops.mean(ops.sparse_categorical_crossentropy(labels, logits, from_logits=True))


def pixel_entropies(labels, logits):
    return ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)


def map_entropies(labels, logits, ignore_index):
    known = ops.where(labels == ignore_index, 0, labels)
    return ops.sparse_categorical_crossentropy(known, logits, from_logits=True)


def map_entropy(labels, logits, ignore_index):
    counted = ops.cast(labels != ignore_index, "float32")
    values = map_entropies(labels, logits, ignore_index) * counted
    # A term of what is said of void, from which no gradient must come.
    return ops.sum(values) / ops.sum(counted) + 0 * ops.sum(logits)


FUNCTIONS = [entropy_of_pixels, mean_entropy, pixel_entropies, map_entropies, map_entropy]
if keras.backend.backend() == "jax":  # which refuses it
    FUNCTIONS.remove(mean_entropy)
OF_PIXELS = [entropy_of_pixels, pixel_entropies, map_entropies]


def chosen(loss, weights=None, from_logits=True, **options):
    config = TrainingConfig(loss=loss, **options)
    return chosen_losses(config, 255, weights, from_logits)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"loss": "cross_entropy", "normalization": "full"}, PixelwiseCrossEntropy),
        ({"loss": "focal", "focal_gamma": 3.0}, FocalLoss),
        ({"loss": "dice", "dice_smoothing": 1.0}, DiceLoss),
        ({"loss": "lovasz"}, LovaszSoftmaxLoss),
        ({"loss": "ohem", "ohem_threshold": 0.5, "ohem_min_kept": 9}, OhemCrossEntropy),
    ],
    ids=lambda value: value.get("loss") if isinstance(value, dict) else "",
)
def test_names_and_options(options, expected):
    ((loss, factor),) = chosen(weights=(1, 2), from_logits=False, **options)
    assert (type(loss), factor) == (expected, 1)
    config = loss.get_config()
    assert config["class_weights"] == (1, 2)
    assert not config["from_logits"]
    given = {name.partition("_")[2]: value for name, value in options.items() if "_" in name}
    assert config.items() >= given.items()
    if "normalization" in options:
        assert config["normalization"] == "full"


def test_a_sum_of_losses():
    first, second = chosen("cross_entropy+0.5*dice")
    assert (type(first.loss), first.factor) == (PixelwiseCrossEntropy, 1)
    assert (type(second.loss), second.factor) == (DiceLoss, 0.5)
    model = tiny()
    config = TrainingConfig(loss="cross_entropy+0.5*dice")
    labels, logits = pixels()
    parts = main_head(model, 255, config).parts(labels, ops.convert_to_tensor(logits))
    value = sum(part.weight * part.total / part.divisor for part in parts)
    expected = PixelwiseCrossEntropy()(labels, logits) + 0.5 * DiceLoss()(labels, logits)
    assert float(value) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: str(function)[:24])
def test_functions_give_the_loss(function):
    ((loss, _),) = chosen(function)
    labels, logits = pixels()
    value, gradient = value_and_gradient(loss, labels, logits)
    expected, wanted = value_and_gradient(PixelwiseCrossEntropy(), labels, logits)
    assert value == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(gradient, wanted, atol=1e-6)
    assert not gradient[labels == 255].any()
    compiled = autodiff.compiled(loss.parts, autodiff.LABELS, autodiff.SCORES)
    total, divisor = compiled(*map(ops.convert_to_tensor, (labels, logits)))
    assert float(total / divisor) == pytest.approx(expected, rel=1e-5)
    value, gradient = value_and_gradient(loss, np.full_like(labels, 255), logits)
    assert value == 0
    assert not gradient.any()


@pytest.mark.parametrize("function", OF_PIXELS, ids=lambda function: str(function)[:24])
def test_functions_of_pixels_take_weights(function):
    weights = (0.5, 2.0, 0.0, 3.0)
    labels, logits = pixels()
    ((loss, _),) = chosen(function, weights, normalization="full")
    expected = PixelwiseCrossEntropy(255, weights, normalization="full")(labels, logits)
    assert float(loss(labels, logits)) == pytest.approx(float(expected), rel=1e-5)
    ((loss, _),) = chosen(mean_entropy, weights)
    with pytest.raises(ValueError, match="a value for each pixel"):
        loss(labels, logits)
    ((loss, _),) = chosen(mean_entropy, normalization="full")
    with pytest.raises(ValueError, match="a value for each pixel"):
        loss(labels, logits)
    ((loss, _),) = chosen(lambda labels, logits: logits)
    with pytest.raises(ValueError, match="`loss` must give one number"):
        loss(labels, logits)


def test_a_function_of_a_network_that_ends_in_a_softmax():
    labels, logits = pixels()
    ((loss, _),) = chosen(pixel_entropies, from_logits=False)
    expected = float(PixelwiseCrossEntropy()(labels, logits))
    assert float(loss(labels, ops.softmax(logits))) == pytest.approx(expected, rel=1e-5)


def test_an_object_gets_what_data_and_network_are():
    given = LovaszSoftmaxLoss(class_weights=(1, 2), per_image=True)
    ((loss, _),) = chosen(given, from_logits=False)
    assert loss.get_config() == given.get_config() | {"from_logits": False}
    with pytest.raises(ValueError, match="not both"):
        chosen(given, weights=(1, 1))
    with pytest.raises(ValueError, match="normalization of its own"):
        chosen(given, normalization="full")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "hinge"}, r"`loss` must be one of \['cross_entropy', .*Received: 'hinge'"),
        ({"loss": "dice+dice"}, "`loss` must be"),
        ({"loss": "0*dice"}, "`loss` must be"),
        ({"loss": "x*dice"}, "`loss` must be"),
        ({"loss": ""}, "`loss` must be"),
        ({"loss": 3}, "`loss` must be"),
        ({"focal_gamma": 3}, r"`focal_gamma` is an option of the loss 'focal'\. .*'cross_entropy'"),
        ({"loss": "focal", "focal_gamma": -1}, "`focal_gamma` must be at least 0"),
        ({"loss": "ohem", "ohem_threshold": 2}, "`ohem_threshold` must be a probability"),
        ({"loss": "ohem", "ohem_min_kept": 0}, "`ohem_min_kept` must be at least 1, or None"),
        ({"loss": "dice", "dice_smoothing": -1}, "`dice_smoothing` must be at least 0"),
        ({"loss": "dice", "normalization": "full"}, "`normalization` is an option of the loss"),
        ({"loss": mean_entropy, "ohem_threshold": 0.5}, "`ohem_threshold` is an option"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**options)


def asked(**options):
    return json.loads(json.dumps(TrainingConfig(**options).to_dict()))


def test_another_loss_is_another_run():
    told = asked(loss=mean_entropy)["loss"]
    assert told == "mean_entropy"
    assert asked(loss=FocalLoss(gamma=3))["loss"]["config"]["gamma"] == 3
    for one, other in [
        ({"loss": "dice"}, {}),
        ({"loss": "focal", "focal_gamma": 3}, {"loss": "focal"}),
        ({"loss": mean_entropy}, {"loss": pixel_entropies}),
        ({"loss": FocalLoss(gamma=3)}, {"loss": FocalLoss()}),
    ]:
        assert not differences("options", asked(**one), asked(**one))
        assert differences("options", asked(**one), asked(**other))
    again = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert not differences("options", asked(loss=entropy_of_pixels), asked(loss=again))
    old = asked()
    del old["loss"], old["ohem_threshold"]  # of a run of before
    assert not differences("options", asked(), old)


def ends_in(softmax):
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(
        4, 1, name="score", activation="softmax" if softmax == "fused" else None
    )(inputs)
    if softmax == "layer":
        x = keras.layers.Softmax()(x)
    elif softmax == "activation":
        x = keras.layers.Activation("softmax")(x)
    model = keras.Model(inputs, x)
    rng = np.random.default_rng(0)
    model.get_layer("score").set_weights([rng.normal(size=(1, 1, 3, 4)), np.zeros(4)])
    return model


@pytest.mark.sweep(3)
@pytest.mark.parametrize("loss", ["focal", "lovasz", "cross_entropy+dice"])
def test_softmax_and_logits_have_one_loss(loss):
    labels, _ = pixels((2, 4, 6))
    images = np.random.default_rng(1).normal(size=(2, 4, 6, 3)).astype(np.float32)
    config = TrainingConfig(loss=loss)

    def value(softmax, scale):
        parts = Objective(ends_in(softmax), config, 255)(
            ops.convert_to_tensor(images * scale), labels
        )
        return number(sum(part.weight * part.total / part.divisor for part in parts))

    for softmax in ("layer", "activation", "fused"):
        assert value(softmax, 1.0) == pytest.approx(value(None, 1.0), rel=1e-5)
        if softmax != "fused":  # whose probabilities become 0
            assert value(softmax, 300.0) == pytest.approx(value(None, 300.0), rel=1e-5)


def test_auxiliary_heads_have_the_loss_too():
    labels, _ = pixels((2, 4, 6))
    images = np.random.default_rng(1).normal(size=(2, 4, 6, 3)).astype(np.float32)
    for name in ("score", "softmax"):
        inputs = keras.Input((None, None, 3))
        x = keras.layers.Conv2D(4, 1, name="score")(inputs)
        side = keras.layers.Softmax(name="softmax")(x)
        model = keras.Model(inputs, keras.layers.Conv2D(4, 1, name="end")(side))
        config = TrainingConfig(loss="dice", auxiliary={name: 0.25})
        _, part = Objective(model, config, 255)(ops.convert_to_tensor(images), labels)
        logits = keras.Model(inputs, x)(images)
        assert part.weight == 0.25
        assert number(part.total) == pytest.approx(number(DiceLoss().parts(labels, logits)[0]))


LOSSES = ["focal", "dice", "lovasz", "ohem", "cross_entropy+0.5*lovasz", pixel_entropies]


@pytest.mark.slow
@pytest.mark.parametrize("precision", [None, "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: str(loss)[:24])
def test_every_loss_falls(loss, precision, data, tmp_path):
    train, val = data
    options = {"epochs": 3, "learning_rate": 0.05, "loss": loss, "mixed_precision": precision}
    options |= {"auxiliary": {"conv1": 0.4}, "class_weights": (0.5, 1, 1, 1)}
    result = fine_tune(tiny(), train, val, tmp_path / "run", **QUICK | options)
    first, *_, last = result.history
    assert last["loss"] < 0.999 * first["loss"]
    assert last["val_loss"] < 0.999 * first["val_loss"]
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["options"]["loss"] == (loss if isinstance(loss, str) else "pixel_entropies")


class Doubled(FocalLoss):
    """A loss of the user's, with an argument that its config does not tell."""

    def __init__(self, times=1.0, **kwargs):
        super().__init__(**kwargs)
        self.times = times

    def parts(self, labels, scores):
        total, divisor = super().parts(labels, scores)
        return total * self.times, divisor


def test_a_subclass_keeps_what_is_its_own():
    chosen = Doubled(times=3.0, gamma=1.0)
    config = TrainingConfig(loss=chosen)
    ((found, factor),) = chosen_losses(config, 9, (1, 2), False)
    assert (found.times, found.gamma, factor) == (3.0, 1.0, 1.0)
    assert (found.ignore_index, found.class_weights, found.from_logits) == (9, (1.0, 2.0), False)
    assert chosen.ignore_index == 255


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (keras.losses.SparseCategoricalCrossentropy(), r"write .*\(from_logits=True\)"),
        (
            keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0),
            "leave out ignore_class",
        ),
        (FocalLoss(ignore_index=0), "void has the label 255"),
        (FocalLoss, r"write FocalLoss\(\)"),
    ],
)
def test_objects_that_say_something_else(loss, message):
    with pytest.raises((TypeError, ValueError), match=message):
        chosen_losses(TrainingConfig(loss=loss), 255, None, True)
