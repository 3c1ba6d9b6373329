"""Smooth L1 losses and R-FCN's hard examples against numpy, element by element as in the CUDA."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import convert
import keras_fcn
from keras_fcn import layers
from keras_fcn.inference.inspection import keras_inputs
from tests.golden import assert_close
from tests.keras_fcn.builder.forks import assert_gradient, assert_survives, built, gradients

ANNOTATOR = 'type: "BoxAnnotatorOHEM" top: "y" top: "w"'
SIGMA = "smooth_l1_loss_param { sigma: 3 }"


def cost(difference, sigma=1.0):
    if abs(difference) < 1 / sigma**2:
        return 0.5 * (sigma * difference) ** 2
    return abs(difference) - 0.5 / sigma**2


def slope(difference, sigma=1.0):
    return difference * sigma**2 if abs(difference) < 1 / sigma**2 else math.copysign(1, difference)


def loss(predictions, targets, *weights, sigma=1.0):
    """Fast R-CNN's with no or two weights, SSD's with one."""
    total = 0.0
    flat = [np.ravel(x) for x in (predictions, targets, *weights)]
    for prediction, target, *weighing in zip(*flat, strict=True):
        inside, outside = ([*weighing, 1.0, 1.0] if weighing else [1.0, 1.0])[:2]
        total += outside * cost(inside * (prediction - target), sigma)
    return np.array(total / len(predictions))


def bottoms(*names, shape=(3, 4), seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(0, 1, shape).astype("float32") for name in names}


@pytest.mark.parametrize("shape", [(3, 8), (1, 4, 5, 6), (2, 3, 4)])
@pytest.mark.parametrize("weights", [(), ("inside", "outside")])
@pytest.mark.parametrize("sigma", [1, 3])
def test_smooth_l1_loss(shape, weights, sigma, tmp_path):
    fed = bottoms("x", "t", *weights, shape=shape)
    text = f'type: "SmoothL1Loss" smooth_l1_loss_param {{ sigma: {sigma} }}'
    model = built(tmp_path, text, **{name: x.shape for name, x in fed.items()})
    assert_close(keras_fcn.blobs(model, fed)["y"], loss(*fed.values(), sigma=sigma))
    assert_gradient(model, lambda *x: loss(*x, sigma=sigma), fed, ["x", "t"], tolerance=1e-3)
    if sigma == 3 and len(shape) == 4:
        assert_survives(model, fed, tmp_path)


def test_targets_may_have_more_axes(tmp_path):
    fed = bottoms("x", shape=(2, 3, 1, 1)) | bottoms("t", shape=(2, 3), seed=1)
    model = built(tmp_path, 'type: "SmoothL1Loss"', x=(2, 3, 1, 1), t=(2, 3))
    assert_close(keras_fcn.blobs(model, fed)["y"], loss(*fed.values()))


def test_ssd_leaves_weights_out_of_the_gradient(tmp_path):
    fed = bottoms("x", "t", "w", shape=(2, 3, 2, 2))
    model = built(tmp_path, 'type: "SmoothL1Loss"', **{name: x.shape for name, x in fed.items()})
    assert_close(keras_fcn.blobs(model, fed)["y"], loss(*fed.values()))
    found = gradients(model, fed, np.float32(1))
    wanted = np.vectorize(slope)(fed["w"] * (fed["x"] - fed["t"])) / 2
    assert_close(found["x"], wanted)
    assert_close(found["t"], -wanted)
    assert found["w"] is None


MODES = {"FULL": 12, "VALID": 12, "BATCH_SIZE": 2, "NONE": 1, "PRE_FIXED": 128}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("weights", [(), ("w",)])
def test_smooth_l1_loss_ohem(mode, weights, tmp_path):
    fed = bottoms("x", "t", *weights, shape=(2, 4, 2, 3))
    text = (
        'type: "SmoothL1LossOHEM" top: "y" top: "each" loss_weight: 1 loss_weight: 0 '
        f"loss_param {{ normalization: {mode} pre_fixed_normalizer: 128 }}"
    )
    model = built(tmp_path, text, **{name: x.shape for name, x in fed.items()})
    weighted = fed.get("w", 1) * (fed["x"] - fed["t"])
    costs = np.vectorize(cost)(weighted)
    found = keras_fcn.blobs(model, fed)
    assert_close(found["y"], costs.sum() / MODES[mode])
    assert_close(found["each"], costs.sum(axis=1, keepdims=True))
    assert convert.load_network(tmp_path / "net.prototxt").blobs["each"].shape == (2, 1, 2, 3)
    if mode == "PRE_FIXED":
        assert_survives(model, fed, tmp_path)
    tensors = [tf.constant(x) for x in keras_inputs(model, fed)]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        top, _ = model(tensors)
    x = tape.gradient(top, tensors)[0].numpy()
    assert_close(np.moveaxis(x, -1, 1), np.vectorize(slope)(weighted) / MODES[mode])


def test_a_single_top_and_vectors(tmp_path):
    fed = bottoms("x", "t")
    model = built(tmp_path, 'type: "SmoothL1LossOHEM"', x=(3, 4), t=(3, 4))
    assert_close(keras_fcn.blobs(model, fed)["y"], loss(*fed.values()))


# BoxAnnotatorOHEM


def annotated(regions, losses, labels, weights, count, ignore):
    sizes = regions.shape[2:]
    area = int(np.prod(sizes))
    number = len(regions)
    order = sorted(range(losses.size), key=lambda i: -losses.ravel()[i])
    left: dict[int, int] = {}
    new_labels = np.full(losses.size, ignore, "float32")
    new_weights = np.zeros((number, weights.shape[1], area), "float32")
    for index in order:
        n, s = divmod(index, area)
        image = int(regions.reshape(number, 5, area)[n, 0, s])
        if left.setdefault(image, count) > 0:
            left[image] -= 1
            new_labels[index] = labels.ravel()[index]
            new_weights[n, :, s] = weights.reshape(number, -1, area)[n, :, s]
    maps = (*sizes, 1, 1)[:2]
    return new_labels.reshape(number, 1, *maps), new_weights.reshape(number, -1, *maps)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("sizes", [(), (2, 3)])
@pytest.mark.parametrize(("count", "ignore"), [(3, -1), (2, 7), (100, -1)])
def test_box_annotator(sizes, count, ignore, tmp_path):
    rng = np.random.default_rng(2)
    fed = {
        "rois": rng.uniform(0, 9, (9, 5, *sizes)).astype("float32"),
        "losses": rng.integers(0, 5, (9, 1, *sizes)).astype("float32"),  # with ties
        "labels": rng.integers(0, 21, (9, 1, *sizes)).astype("float32"),
        "weights": rng.uniform(1, 2, (9, 8, *sizes)).astype("float32"),
    }
    fed["rois"][:, 0] = rng.integers(0, 3, (9, *sizes))
    text = (
        'type: "BoxAnnotatorOHEM" top: "y" top: "w" box_annotator_ohem_param '
        f"{{ roi_per_img: {count} ignore_label: {ignore} }}"
    )
    model = built(tmp_path, text, **{name: x.shape for name, x in fed.items()})
    labels, weights = annotated(*fed.values(), count, ignore)
    found = keras_fcn.blobs(model, fed)
    np.testing.assert_array_equal(found["y"], labels)
    np.testing.assert_array_equal(found["w"], weights)
    shapes = convert.load_network(tmp_path / "net.prototxt").blobs
    assert (shapes["y"].shape, shapes["w"].shape) == (labels.shape, weights.shape)
    if count == 3:
        assert_survives(model, fed, tmp_path)


# SoftmaxWithLossOHEM has further tops


@pytest.mark.parametrize("tops", [2, 3])
@pytest.mark.parametrize("sizes", [(), (2, 3)])
def test_softmax_and_losses_as_tops(tops, sizes, tmp_path):
    rng = np.random.default_rng(4)
    fed = {
        "x": rng.normal(0, 2, (3, 4, *sizes)).astype("float32"),
        "t": rng.integers(-1, 4, (3, 1, *sizes)).astype("float32"),
    }
    names = ["y", "p", "each"][:tops]
    text = 'type: "SoftmaxWithLossOHEM" ' + " ".join(
        f'top: "{name}" loss_weight: 0' for name in names
    )
    text += " loss_param { ignore_label: -1 normalization: PRE_FIXED pre_fixed_normalizer: 5 }"
    model = built(tmp_path, text, **{name: x.shape for name, x in fed.items()})
    powers = np.exp(fed["x"].astype("float64"))
    shares = powers / powers.sum(axis=1, keepdims=True)
    each = np.zeros(fed["t"].shape)
    for place in np.ndindex(fed["t"].shape):
        label = int(fed["t"][place])
        if label >= 0:
            each[place] = -math.log(shares[(place[0], label, *place[2:])])
    found = keras_fcn.blobs(model, fed)
    assert_close(found["y"], each.sum() / 5)
    assert_close(found["p"], shares)
    if tops == 3:
        assert_close(found["each"], each)
        assert_survives(model, fed, tmp_path)


@pytest.mark.parametrize(
    ("text", "shapes", "message"),
    [
        (f'type: "SmoothL1Loss" {SIGMA}', [(2, 3), (2, 4)], "the same shape"),
        (f'type: "SmoothL1Loss" {SIGMA}', [(2, 3)] * 5, "2 to 4 bottom"),
        ('type: "SmoothL1Loss" smooth_l1_loss_param { sigma: 0 }', [(2, 3)] * 2, "sigma"),
        ('type: "SmoothL1LossOHEM"', [(2, 3), (2, 3), (2, 4)], "the same shape"),
        (
            ANNOTATOR,
            [(2, 5), (2, 1), (2, 1), (2, 8)],
            "'roi_per_img' is missing",
        ),
        (
            f"{ANNOTATOR} box_annotator_ohem_param {{ roi_per_img: 1 }}",
            [(2, 4), (2, 1), (2, 1), (2, 8)],
            "the same shape",
        ),
        ('type: "SoftmaxWithLossOHEM" top: "a" top: "b"', [(2, 3), (2,)], "loss_weight"),
    ],
)
def test_refused(text, shapes, message, tmp_path):
    names = {f"x{index}": shape for index, shape in enumerate(shapes)}
    with pytest.raises(convert.CaffeError, match=message):
        built(tmp_path, text, **names)


def test_no_region_at_all():
    empty = [keras.ops.zeros((0, size)) for size in (5, 1, 1, 8)]
    labels, weights = layers.BoxAnnotatorOHEM(2)(empty)
    assert (labels.shape, weights.shape) == ((0, 1, 1, 1), (0, 1, 1, 8))
