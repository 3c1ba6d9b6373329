"""MultiBoxLoss against numpy, one box after another as in SSD's bbox_util.cpp."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

import convert
import keras_fcn
from keras_fcn import layers
from keras_fcn.inference.inspection import keras_inputs
from tests.golden import assert_close
from tests.keras_fcn.builder.forks import (
    assert_gradient,
    assert_survives,
    built,
    gradients,
    numeric_gradient,
)
from tests.keras_fcn.builder.test_forks_detections import decode, overlap
from tests.keras_fcn.layers.checks import assert_config_round_trip

DEFAULTS = {
    "num_classes": 3,
    "loc_loss_type": "SMOOTH_L1",
    "conf_loss_type": "SOFTMAX",
    "loc_weight": 1.0,
    "share_location": True,
    "match_type": "PER_PREDICTION",
    "overlap_threshold": 0.5,
    "use_prior_for_matching": True,
    "background_label_id": 0,
    "use_difficult_gt": True,
    "neg_pos_ratio": 3.0,
    "neg_overlap": 0.5,
    "code_type": "CORNER",
    "encode_variance_in_target": False,
    "map_object_to_agnostic": False,
    "ignore_cross_boundary_bbox": False,
    "bp_inside": False,
    "mining_type": "MAX_NEGATIVE",
    "nms_threshold": 0,
    "top_k": -1,
    "sample_size": 64,
    "use_prior_for_nms": False,
    "normalization": "VALID",
}


def encode(code_type, prior, box):
    width, height = prior[2] - prior[0], prior[3] - prior[1]
    if code_type == "CORNER":
        return box - prior
    if code_type == "CORNER_SIZE":
        return (box - prior) / (width, height, width, height)
    return np.array(
        [
            ((box[0] + box[2]) / 2 - (prior[0] + prior[2]) / 2) / width,
            ((box[1] + box[3]) / 2 - (prior[1] + prior[3]) / 2) / height,
            math.log((box[2] - box[0]) / width),
            math.log((box[3] - box[1]) / height),
        ]
    )


def match(true_boxes, boxes, p):
    """For each box which true box, and how much it overlaps one at most."""
    indices, most = [-1] * len(boxes), [0.0] * len(boxes)
    if not true_boxes:
        return indices, most
    shared = {}
    for i, box in enumerate(boxes):
        if p["ignore_cross_boundary_bbox"] and any(edge < 0 or edge > 1 for edge in box):
            indices[i] = -2
            continue
        for j, true in enumerate(true_boxes):
            amount = overlap(box, true)
            if amount > 1e-6:
                most[i] = max(most[i], amount)
                shared.setdefault(i, {})[j] = amount
    pool = list(range(len(true_boxes)))
    while pool:
        best = (-1, -1, -1.0)
        for i, amounts in shared.items():
            if indices[i] == -1:
                for j in pool:
                    if amounts.get(j, -1) > best[2]:
                        best = (i, j, amounts[j])
        if best[0] == -1:
            break
        indices[best[0]] = best[1]
        pool.remove(best[1])
    if p["match_type"] == "PER_PREDICTION":
        for i, amounts in shared.items():
            enough = {j: a for j, a in amounts.items() if a >= p["overlap_threshold"]}
            if indices[i] == -1 and enough:
                indices[i] = max(enough, key=lambda j: (enough[j], -j))
    return indices, most


def location_cost(predicted, target, prior, box, variance, p):
    total = 0.0
    for k in range(4):
        if p["bp_inside"] and not 0 <= box[k] <= 1:
            continue
        scale = variance[k] if p["encode_variance_in_target"] else 1.0
        d = predicted[k] / scale - target[k] / variance[k]
        if p["loc_loss_type"] == "L2" or abs(d) < 1:
            total += 0.5 * d * d
        else:
            total += abs(d) - 0.5
    return total


def softmax_cost(scores, label):
    top = scores.max()
    return -(scores[label] - top - math.log(np.exp(scores - top).sum()))


def sigmoid_cost(score, target):
    return math.log1p(math.exp(-abs(score))) + max(score, 0) - score * target


def class_cost(scores, label, p, rest=0):
    if p["conf_loss_type"] == "SOFTMAX":
        return softmax_cost(scores, label)
    return sum(sigmoid_cost(s, 1 if c == label else rest) for c, s in enumerate(scores))


def suppressed(order, boxes, p):
    order, kept = order[: None if p["top_k"] < 0 else p["top_k"]], []
    for i in order:
        size = np.maximum(boxes[i][2:] - boxes[i][:2], 0).prod()
        if size >= 1e-5 and all(overlap(boxes[j], boxes[i]) <= p["nms_threshold"] for j in kept):
            kept.append(i)
    return kept


def multibox(loc, conf, prior, truth, **settings):
    p = DEFAULTS | settings
    classes, background = p["num_classes"], p["background_label_id"]
    priors, variances = prior[0].reshape(2, -1, 4)
    images, count = len(loc), len(priors)
    groups = [-1] if p["share_location"] else list(range(classes))
    loc, conf = loc.reshape(images, count, len(groups), 4), conf.reshape(images, count, classes)
    total_loc, total_conf, matched = 0.0, 0.0, 0
    flat_targets = np.full(conf.size, float(background))
    for b in range(images):
        rows = [
            row
            for row in truth.reshape(-1, 8)
            if int(row[0]) == b and (p["use_difficult_gt"] or not row[7])
        ]
        true = [row[3:7] for row in rows]
        found: dict[int, list[int]] = {}
        most: dict[int, list[float]] = {}
        spread = np.ones(4) if p["encode_variance_in_target"] else None
        decoded = {
            g: [
                decode(
                    p["code_type"],
                    priors[i],
                    loc[b, i, n] * (variances[i], spread)[spread is not None],
                )
                for i in range(count)
            ]
            for n, g in enumerate(groups)
        }
        if rows and p["use_prior_for_matching"]:
            indices, amounts = match(true, priors, p)
            for g in groups:
                if g == background and not p["share_location"]:
                    continue
                mine = [
                    j if j > -1 and (g == -1 or rows[j][1] == g) else (j if g == -1 else -1)
                    for j in indices
                ]
                found[g], most[g] = mine, amounts
        elif rows:
            for g in groups:
                if g == background and not p["share_location"]:
                    continue
                own = [j for j, row in enumerate(rows) if g in (-1, row[1])]
                indices, amounts = match([true[j] for j in own], decoded[g], p)
                found[g] = [own[j] if j > -1 else j for j in indices]
                most[g] = amounts

        def true_label(j, rows=rows):
            return background + 1 if p["map_object_to_agnostic"] else int(rows[j][1])

        costs = {
            g: [
                location_cost(
                    loc[b, i, groups.index(g)],
                    encode(p["code_type"], priors[i], true[j]),
                    priors[i],
                    priors[i] if p["use_prior_for_matching"] else decoded[g][i],
                    variances[i],
                    p,
                )
                if j > -1
                else 0.0
                for i, j in enumerate(indices)
            ]
            for g, indices in found.items()
        }
        negatives = []
        if p["mining_type"] != "NONE" and found:
            indices = found[-1]
            label = [true_label(j) if j > -1 else background for j in indices]
            hard = p["mining_type"] == "HARD_EXAMPLE"
            losses = [
                class_cost(conf[b, i], label[i], p) + (costs[-1][i] if hard else 0)
                for i in range(count)
            ]
            eligible = [
                i
                for i, j in enumerate(indices)
                if hard or (j == -1 and most[-1][i] < p["neg_overlap"])
            ]
            limit = p["sample_size"]
            if not hard:
                limit = int(sum(j > -1 for j in indices) * p["neg_pos_ratio"])
            order = sorted(eligible, key=lambda i: -losses[i])
            if p["nms_threshold"] > 0:
                boxes = priors if p["use_prior_for_nms"] else decoded[-1]
                order = suppressed(order, boxes, p)
            chosen = set(order[:limit])
            negatives = [i for i, j in enumerate(indices) if j == -1 and i in chosen]
            if hard:
                found[-1] = [j if i in chosen else min(j, -1) for i, j in enumerate(indices)]
        for g, indices in found.items():
            for i, j in enumerate(indices):
                if j > -1:
                    matched += 1
                    total_loc += costs[g][i]
        label = [background] * count
        for indices in found.values():
            for i, j in enumerate(indices):
                if j > -1:
                    label[i] = true_label(j)
                    flat_targets[b * count + i * classes + label[i]] = 1
        if p["mining_type"] != "NONE":
            positives = [i for i, j in enumerate(found.get(-1, ())) if j > -1]
            for i in positives + negatives:
                total_conf += class_cost(conf[b, i], label[i], p, background)
        elif p["conf_loss_type"] == "SOFTMAX":
            total_conf += sum(softmax_cost(conf[b, i], label[i]) for i in range(count))
    if p["mining_type"] == "NONE" and p["conf_loss_type"] == "LOGISTIC":
        total_conf = sum(map(sigmoid_cost, conf.ravel(), flat_targets))
    divisor = {"VALID": matched, "FULL": images * count, "BATCH_SIZE": images, "NONE": 1}
    judges = settings.get("judges", (True, True))
    total = p["loc_weight"] * total_loc * judges[0] + total_conf * judges[1]
    return np.array(total / max(divisor[p["normalization"]], 1))


def bottoms(p, images=3, priors=14, seed=1, truth=None):
    """Two images with true boxes, one of them difficult, and one without."""
    rng = np.random.default_rng(seed)
    p = DEFAULTS | p
    classes = p["num_classes"]
    low = rng.uniform(-0.1, 0.6, (priors, 2))
    boxes = np.concatenate([low, low + rng.uniform(0.2, 0.5, (priors, 2))], axis=1)
    if truth is None:
        truth = [
            [0, 1, 0, 0.1, 0.1, 0.5, 0.6, 0],
            [0, 2, 0, 0.3, 0.2, 0.9, 0.7, 1],
            [0, 1, 1, 0.5, 0.5, 0.8, 0.9, 0],
            [2, 2, 0, 0.2, 0.3, 0.7, 0.8, 0],
            [2, 2, 1, 0.25, 0.3, 0.7, 0.75, 0],
            [-1, -1, -1, -1, -1, -1, -1, -1],
            [7, 1, 0, 0.1, 0.1, 0.5, 0.6, 0],
        ]
    groups = 1 if p["share_location"] else classes
    truth = np.array(truth, "float32").reshape(1, 1, -1, 8)
    if classes == 2:
        truth[..., 1] = np.minimum(truth[..., 1], 1)
    if p["background_label_id"]:
        truth[..., 1] -= 1
    return {
        "loc": rng.normal(0, 1, (images, priors * groups * 4)).astype("float32"),
        "conf": rng.normal(0, 2, (images, priors * classes)).astype("float32"),
        "prior": np.stack([boxes.ravel(), rng.uniform(0.1, 0.3, priors * 4)])[None].astype(
            "float32"
        ),
        "truth": truth,
    }


def text_of(settings):
    inner = {k: v for k, v in settings.items() if k in ("nms_threshold", "top_k")}
    skipped = {*inner, "normalization", "judges"}
    outer = {"num_classes": DEFAULTS["num_classes"]} | settings
    fields = " ".join(
        f"{k}: {str(v).lower() if isinstance(v, bool) else v}"
        for k, v in outer.items()
        if k not in skipped
    )
    if inner:
        fields += f" nms_param {{ {' '.join(f'{k}: {v}' for k, v in inner.items())} }}"
    text = f'type: "MultiBoxLoss" multibox_loss_param {{ {fields} }}'
    if "normalization" in settings:
        text += f" loss_param {{ normalization: {settings['normalization']} }}"
    for judge in (*settings.get("judges", ()), *(False, False) * ("judges" in settings)):
        text += f" propagate_down: {str(judge).lower()}"
    return text


SETTINGS = {
    "defaults": {},
    "ssd": {"code_type": "CENTER_SIZE", "use_difficult_gt": False, "overlap_threshold": 0.3},
    "bipartite": {"match_type": "BIPARTITE", "code_type": "CORNER_SIZE", "neg_pos_ratio": 1.5},
    "batch size": {"normalization": "BATCH_SIZE", "loc_loss_type": "L2", "loc_weight": 2.5},
    "full": {"normalization": "FULL"},
    "no normalization": {"normalization": "NONE", "neg_overlap": 0.2},
    "all negatives": {"mining_type": "NONE", "overlap_threshold": 0.2},
    "older all negatives": {"do_neg_mining": False},
    "logistic": {"conf_loss_type": "LOGISTIC", "overlap_threshold": 0.2},
    "logistic, all negatives": {"conf_loss_type": "LOGISTIC", "mining_type": "NONE"},
    "logistic, other background": {"conf_loss_type": "LOGISTIC", "background_label_id": 2},
    "no background": {
        "conf_loss_type": "LOGISTIC",
        "mining_type": "NONE",
        "background_label_id": 3,
    },
    "predictions matched": {
        "use_prior_for_matching": False,
        "code_type": "CENTER_SIZE",
        "overlap_threshold": 0.1,
    },
    "boxes of each class": {"share_location": False, "mining_type": "NONE"},
    "predictions of each class": {
        "share_location": False,
        "mining_type": "NONE",
        "use_prior_for_matching": False,
        "overlap_threshold": 0.1,
    },
    "logistic predictions of each class": {
        "share_location": False,
        "mining_type": "NONE",
        "use_prior_for_matching": False,
        "conf_loss_type": "LOGISTIC",
        "overlap_threshold": 0.1,
    },
    "agnostic": {"num_classes": 2, "map_object_to_agnostic": True, "overlap_threshold": 0.1},
    "crossing boxes": {"ignore_cross_boundary_bbox": True, "overlap_threshold": 0.1},
    "crossing predictions": {
        "ignore_cross_boundary_bbox": True,
        "use_prior_for_matching": False,
        "overlap_threshold": 0.05,
        "mining_type": "NONE",
    },
    "inside": {"bp_inside": True, "overlap_threshold": 0.1},
    "inside predictions": {
        "bp_inside": True,
        "use_prior_for_matching": False,
        "overlap_threshold": 0.05,
    },
    "hard examples": {"mining_type": "HARD_EXAMPLE", "sample_size": 5, "overlap_threshold": 0.1},
    "hard examples, logistic": {
        "mining_type": "HARD_EXAMPLE",
        "sample_size": 6,
        "conf_loss_type": "LOGISTIC",
        "loc_loss_type": "L2",
        "ignore_cross_boundary_bbox": True,
    },
    "suppressed": {"nms_threshold": 0.2, "use_prior_for_nms": True, "neg_overlap": 0.9},
    "suppressed predictions": {
        "nms_threshold": 0.1,
        "top_k": 4,
        "mining_type": "HARD_EXAMPLE",
        "code_type": "CENTER_SIZE",
    },
    "locations only": {"judges": (True, False)},
    "classes only": {"judges": (False, True)},
}


@pytest.mark.sweep(9)
@pytest.mark.parametrize("name", SETTINGS)
def test_loss_and_gradient(name, tmp_path):
    settings = SETTINGS[name]
    fed = bottoms(settings)
    model = built(tmp_path, text_of(settings), **{k: x.shape for k, x in fed.items()})
    settings = dict(settings)
    if settings.pop("do_neg_mining", None) is False:
        settings["mining_type"] = "NONE"
    exact = {k: x.astype("float64") for k, x in fed.items()}
    wanted = multibox(*exact.values(), **settings)
    assert wanted > 0
    assert_close(keras_fcn.blobs(model, fed)["y"], wanted)
    judges = settings.get("judges", (True, True))
    trained = [bottom for bottom, judge in zip(("loc", "conf"), judges, strict=True) if judge]
    assert_gradient(model, lambda *x: multibox(*x, **settings), fed, trained, tolerance=2e-3)


@pytest.mark.slow
def test_divided_predictions_hand_the_gradient_on_as_it_is(tmp_path):
    """What SSD's layer computes: the gradient of the quotient, without its 1 / variance."""
    settings = {"encode_variance_in_target": True}
    fed = bottoms(settings)
    model = built(tmp_path, text_of(settings), **{k: x.shape for k, x in fed.items()})
    exact = [x.astype("float64") for x in fed.values()]
    wanted = multibox(*exact, **settings)
    assert_close(keras_fcn.blobs(model, fed)["y"], wanted)
    found = gradients(model, fed, np.ones_like(wanted, dtype="float32"))["loc"]
    chosen, numeric = numeric_gradient(
        lambda loc: multibox(loc, *exact[1:], **settings),
        fed["loc"],
        np.ones_like(wanted),
        points=40,
    )
    variances = np.broadcast_to(exact[2][0, 1], found.shape).flat[chosen]
    scale = np.abs(found).max()
    assert scale > 0
    np.testing.assert_allclose(found.flat[chosen], numeric * variances, rtol=0, atol=2e-3 * scale)


@pytest.mark.parametrize("mining", ["NONE", "MAX_NEGATIVE", "HARD_EXAMPLE"])
@pytest.mark.parametrize("rows", [0, 1])
def test_no_true_box_at_all(mining, rows, tmp_path):
    settings = {"mining_type": mining}
    fed = bottoms(settings, truth=[[-1] * 8] * rows)
    shapes = {k: x.shape for k, x in fed.items()} | {"truth": (1, 1, 1, 8)}
    model = built(tmp_path, text_of(settings), **shapes)
    wanted = multibox(*(x.astype("float64") for x in fed.values()), **settings)
    tensors = [tf.constant(x) for x in keras_inputs(model, fed)]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        loss = model(tensors)
    np.testing.assert_allclose(loss, wanted, rtol=1e-5)
    assert (loss > 0) == (mining == "NONE")
    for gradient in tape.gradient(loss, tensors)[:2]:
        assert np.isfinite(np.asarray(gradient)).all()


def test_equal_overlaps_take_the_first(tmp_path):
    settings = {"match_type": "BIPARTITE", "normalization": "NONE", "mining_type": "NONE"}
    truth = [[0, 1, 0, 0.2, 0.2, 0.6, 0.6, 0], [0, 2, 0, 0.2, 0.2, 0.6, 0.6, 0]]
    fed = bottoms(settings, images=1, priors=4, truth=truth)
    fed["prior"][0, 0] = np.tile(np.float32([0.2, 0.2, 0.6, 0.6]), 4)
    model = built(tmp_path, text_of(settings), **{k: x.shape for k, x in fed.items()})
    wanted = multibox(*(x.astype("float64") for x in fed.values()), **settings)
    assert_close(keras_fcn.blobs(model, fed)["y"], wanted)


def test_priors_without_a_size_that_match_nothing(tmp_path):
    settings = {"code_type": "CENTER_SIZE"}
    fed = bottoms(settings)
    fed["prior"][0, 0, :4] = 1.0
    model = built(tmp_path, text_of(settings), **{k: x.shape for k, x in fed.items()})
    tensors = [tf.constant(x) for x in keras_inputs(model, fed)]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        loss = model(tensors)
    for value in (loss, *tape.gradient(loss, tensors)[:2]):
        assert np.isfinite(np.asarray(value)).all()


@pytest.mark.slow
def test_other_batches_and_files(tmp_path):
    settings = SETTINGS["ssd"]
    fed = bottoms(settings, images=1)
    model = built(tmp_path, text_of(settings), **{k: x.shape for k, x in fed.items()})
    assert_survives(model, fed, tmp_path)
    more = bottoms(settings, images=5)
    wanted = multibox(*(x.astype("float64") for x in more.values()), **settings)
    assert_close(keras_fcn.blobs(model, more)["y"], wanted)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("num_classes: 0", "'num_classes' is missing"),
        ("share_location: false", "needs mining_type: NONE"),
        ("mining_type: NONE do_neg_mining: true", "do_neg_mining: true contradicts"),
        ("mining_type: MAX_NEGATIVE do_neg_mining: false", "do_neg_mining: false contradicts"),
        ("mining_type: HARD_EXAMPLE sample_size: 0", "sample_size: 0"),
        ("background_label_id: 3", "background_label_id: 3 must be below"),
        ("map_object_to_agnostic: true", "needs num_classes: 2"),
        ("num_classes: 4", "14 priors need 56 confidences"),
        ("nms_param { nms_threshold: -1 }", "nms_threshold: -1"),
    ],
)
def test_refused(fields, message, tmp_path):
    fed = bottoms({})
    count = "" if "num_classes" in fields and "agnostic" not in fields else "num_classes: 3"
    text = f'type: "MultiBoxLoss" multibox_loss_param {{ {count} {fields} }}'
    with pytest.raises(convert.CaffeError, match=message):
        built(tmp_path, text, **{k: x.shape for k, x in fed.items()})


def test_true_boxes_are_rows_of_eight(tmp_path):
    shapes = {k: x.shape for k, x in bottoms({}).items()} | {"truth": (1, 1, 5, 7)}
    with pytest.raises(convert.CaffeError, match=r"\(1, 1, boxes, 8\), got \(1, 1, 5, 7\)"):
        built(tmp_path, text_of({}), **shapes)


def test_configuration():
    assert_config_round_trip(layers.MultiBoxLoss(3, mining_type="NONE", normalization="full"))
    with pytest.raises(ValueError, match="code_type must be one of"):
        layers.MultiBoxLoss(3, code_type="OTHER")
