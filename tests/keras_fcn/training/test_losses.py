from __future__ import annotations

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
    loss_choice,
)
from keras_fcn.training.loss_names import LOSSES, loss_terms
from tests.keras_fcn.training import autodiff
from tests.keras_fcn.training import loss_formulas as formulas

CASES = {
    "cross entropy": (PixelwiseCrossEntropy, formulas.cross_entropy, {}),
    "focal": (FocalLoss, formulas.focal, {}),
    "focal 0.5": (FocalLoss, formulas.focal, {"gamma": 0.5}),
    "focal 0": (FocalLoss, formulas.focal, {"gamma": 0}),
    "dice": (DiceLoss, formulas.dice, {}),
    "dice smooth": (DiceLoss, formulas.dice, {"smoothing": 1.0}),
    "lovasz": (LovaszSoftmaxLoss, formulas.lovasz, {}),
    "lovasz of images": (LovaszSoftmaxLoss, formulas.lovasz, {"per_image": True}),
    "ohem": (OhemCrossEntropy, formulas.ohem, {}),
    "ohem 0.2": (OhemCrossEntropy, formulas.ohem, {"threshold": 0.2}),
    "ohem 7": (OhemCrossEntropy, formulas.ohem, {"threshold": 0.05, "min_kept": 7}),
    "ohem all": (OhemCrossEntropy, formulas.ohem, {"threshold": 0.05, "min_kept": 1000}),
}
cases = pytest.mark.parametrize("case", CASES)
PLAIN, WEIGHTED = (1.0, 1.0, 1.0, 1.0), (0.5, 2.0, 0.0, 3.0)


def pixels(size=(2, 4, 5), seed=0, spread=2.0):
    """Of four classes the last is in the second image alone."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, size).astype(np.int32)
    labels[-1, 0, -1] = 3
    labels[0, -1] = formulas.VOID
    return labels, rng.normal(0, spread, (*size, 4)).astype(np.float32)


def value_and_gradient(loss, labels, logits):
    return autodiff.value_and_gradient(lambda logits: loss(labels, logits), logits)


@pytest.mark.sweep(5)
@cases
@pytest.mark.parametrize("weights", [PLAIN, WEIGHTED], ids=["plain", "weighted"])
@pytest.mark.parametrize("size", [(2, 4, 5), (1, 1, 7), (3, 5, 3)], ids=str)
def test_value_of_the_formula(case, weights, size):
    kind, formula, options = CASES[case]
    labels, logits = pixels(size)
    expected = formula(labels, logits, weights, **options)
    loss = kind(class_weights=None if weights == PLAIN else weights, **options)
    assert float(loss(labels, logits)) == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert float(loss(labels[..., None], logits)) == pytest.approx(expected, rel=1e-5, abs=1e-7)
    said = formulas.probabilities(logits)
    by_probabilities = type(loss).from_config(loss.get_config() | {"from_logits": False})
    assert float(by_probabilities(labels, said)) == pytest.approx(expected, rel=1e-4, abs=1e-6)


@cases
def test_gradient_of_the_formula(case):
    """By differences of the formula, in float64."""
    kind, formula, options = CASES[case]
    labels, logits = pixels((2, 2, 3), seed=1)
    _, gradient = value_and_gradient(kind(class_weights=WEIGHTED, **options), labels, logits)
    step, numeric = 1e-6, np.zeros_like(logits)
    for place in np.ndindex(logits.shape):
        ends = []
        for sign in (1, -1):
            moved = logits.astype(np.float64)
            moved[place] += sign * step
            ends.append(formula(labels, moved, WEIGHTED, **options))
        numeric[place] = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-3, atol=2e-6)
    assert np.abs(gradient).max() > 1e-3
    assert not gradient[labels == formulas.VOID].any()


@pytest.mark.sweep(5)
@cases
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_void_and_extremes_are_finite(case, dtype):
    kind, formula, options = CASES[case]
    loss = kind(**options)
    labels, logits = pixels((1, 5, 3))
    one = np.where(labels == formulas.VOID, labels, 1)
    perfect = 1e3 * (np.arange(4) == np.where(labels > 3, 0, labels)[..., None])
    wrong = 1e3 - 2 * perfect
    for name, given, scores in [
        ("void", np.full_like(labels, formulas.VOID), logits),
        ("one class", one, logits),
        ("perfect", labels, perfect),
        ("wrong", labels, wrong),
        ("alike", labels, np.zeros_like(logits)),
        ("huge", labels, 1e3 * np.sign(logits)),
    ]:
        value, gradient = value_and_gradient(loss, given, ops.cast(scores, dtype))
        assert np.isfinite(value), name
        assert np.isfinite(gradient).all(), name
        assert value >= 0, name
        if name in ("void", "perfect"):
            assert value == pytest.approx(0, abs=1e-6), name
        if name in ("one class", "alike"):
            expected = formula(
                given, np.float64(autodiff.array(ops.cast(scores, dtype))), PLAIN, **options
            )
            assert value == pytest.approx(expected, rel=1e-5), name
    value = loss(labels, ops.cast(logits, dtype))
    assert keras.backend.standardize_dtype(value.dtype) == "float32"


@pytest.mark.sweep(3)
@cases
def test_void_gives_nothing_and_replicas_add_up(case):
    """What is said of void pixels changes nothing; parts of images are those of the batch."""
    kind, _, options = CASES[case]
    loss = kind(**options)
    labels, logits = pixels((4, 5, 6), seed=2)
    value, gradient = value_and_gradient(loss, labels, logits)
    other = np.where(labels[..., None] == formulas.VOID, 50 * logits[..., ::-1], logits)
    assert value_and_gradient(loss, labels, other)[0] == pytest.approx(value, rel=1e-6)
    assert not gradient[labels == formulas.VOID].any()
    if case != "lovasz":  # of a batch of each device
        halves = [loss.parts(labels[part], logits[part]) for part in (slice(0, 2), slice(2, 4))]
        total, divisor = np.sum(np.array(halves, np.float64), axis=0)
        assert total / divisor == pytest.approx(value, rel=1e-5)


@pytest.mark.sweep(5)
@cases
def test_sizes_that_are_not_known_before(case):
    kind, _, options = CASES[case]
    loss = kind(**options)
    compiled = autodiff.compiled(loss.parts, autodiff.LABELS, autodiff.SCORES)
    for size in ((2, 4, 5), (1, 3, 9)):
        labels, logits = pixels(size)
        total, divisor = compiled(*map(ops.convert_to_tensor, (labels, logits)))
        assert float(total / divisor) == pytest.approx(float(loss(labels, logits)), rel=1e-5)


def test_lovasz_keeps_its_steps_apart_in_many_pixels():
    """They lie near the precision of the Jaccard loss, whose differences they are."""
    labels = np.random.default_rng(0).integers(0, 2, 2**16)
    doubt = np.linspace(0.01, 0.99, len(labels))[::-1]  # of the label: sorted already
    scores = np.log(np.where(np.arange(2) == labels[:, None], 1 - doubt[:, None], doubt[:, None]))
    loss = LovaszSoftmaxLoss(class_weights=(0, 1))
    _, gradient = value_and_gradient(loss, labels[None], scores[None].astype(np.float32))
    union = labels.sum() + np.cumsum(1 - labels)
    jaccard = 1 - (labels.sum() - np.cumsum(labels)) / union
    steps = np.diff(jaccard, prepend=0.0)
    # Half of it by the mean over classes.
    np.testing.assert_allclose(
        np.abs(gradient[0, :, 1]), steps * doubt * (1 - doubt) / 2, rtol=1e-4
    )


@pytest.mark.parametrize(
    ("normalization", "divisor"), [("valid", 15), ("full", 20), ("batch_size", 1)]
)
@pytest.mark.parametrize("kind", [PixelwiseCrossEntropy, FocalLoss])
def test_normalization(kind, normalization, divisor):
    labels, logits = pixels((1, 4, 5))
    value = float(kind()(labels, logits))
    other = float(kind(normalization=normalization)(labels, logits))
    assert other == pytest.approx(value * 15 / divisor, rel=1e-5)


@cases
def test_keras_knows_it_again(case):
    kind, _, options = CASES[case]
    loss = kind(254, (1.0, 2.0), **options)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.get_config() == loss.get_config()
    assert again.get_config().items() >= options.items()


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (PixelwiseCrossEntropy, {"normalization": "mean"}, "'mean'"),
        (DiceLoss, {"class_weights": (1, -1)}, "at least 0"),
        (DiceLoss, {"smoothing": -1}, "`smoothing`"),
        (FocalLoss, {"gamma": -1}, "`gamma`"),
        (OhemCrossEntropy, {"threshold": 0}, "`threshold`"),
        (OhemCrossEntropy, {"min_kept": 0}, "`min_kept`"),
    ],
)
def test_wrong_arguments(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        kind(**arguments)


def test_names_are_those_of_the_package():
    assert tuple(loss_choice.NAMED) == LOSSES
    assert loss_terms("cross_entropy + 0.5*dice") == {"cross_entropy": 1, "dice": 0.5}
