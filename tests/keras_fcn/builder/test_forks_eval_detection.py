"""EvalDetection against numpy, one prediction after another as in the layers' sources."""

from __future__ import annotations

import math

import numpy as np
import pytest

import convert
import keras_fcn
from tests.golden import assert_close
from tests.keras_fcn.builder.forks import assert_survives, built
from tests.keras_fcn.builder.test_forks_yolo_output import shared, sigmoid

SIDE, CLASSES = 3, 4


def evaluated(predictions, objects, size, p, *, misses_are_wrong):
    """A row of the top from (label, score, box) and (label, box, difficult) lists."""
    row = np.zeros(size)
    for label, _, difficult in objects:
        row[label] += not difficult
    predictions = sorted(predictions, key=lambda item: -item[1])
    nms = p.get("nms", -1)
    if nms >= 0:
        kept = []
        for item in predictions:
            if all(shared(other[2], item[2]) < nms for other in kept):
                kept.append(item)
        predictions = kept
        if not misses_are_wrong:
            predictions = [item for item in predictions if item[1] >= 0.005]
    elif not misses_are_wrong:
        predictions = []
    place, visited = CLASSES, set()
    for label, score, box in sorted(predictions, key=lambda item: item[0]):
        own = [k for k, item in enumerate(objects) if item[0] == label]
        right = wrong = 0
        amounts = {k: shared(box, objects[k][1]) for k in own}
        best = max(own, key=lambda k: (amounts[k], -k), default=None)
        if best is None:
            wrong = 1
        elif amounts[best] < p.get("threshold", 0.5):
            wrong = int(misses_are_wrong)
        elif not objects[best][2]:
            right, wrong = int(best not in visited), int(best in visited)
            visited.add(best)
        row[place : place + 4] = label, score, right, wrong
        place += 4
    return row


def score_of(objectness, share, p):
    kind = p.get("score_type", "MULTIPLY")
    return {"OBJ": objectness, "PROB": share, "MULTIPLY": objectness * share}[kind]


def yolo1(data, truth, p):
    cells, count = SIDE**2, 2
    rows = []
    for x, t in zip(data, truth, strict=True):
        objects = [
            (int(t[2 * cells + i]), t[3 * cells + 4 * i : 3 * cells + 4 * i + 4], t[i] == 1)
            for i in range(cells)
            if t[cells + i]
        ]
        predictions = []
        for i in range(cells):
            shares = [x[c * cells + i] for c in range(CLASSES)]
            label = int(np.argmax(shares))
            for k in range(count):
                score = score_of(x[(CLASSES + k) * cells + i], shares[label], p)
                box = [x[(CLASSES + count + 4 * k + n) * cells + i] for n in range(4)]
                if p.get("constriant", True):
                    box[:2] = (i % SIDE + box[0]) / SIDE, (i // SIDE + box[1]) / SIDE
                if p.get("sqrt", True):
                    box[2:] = box[2] ** 2, box[3] ** 2
                predictions.append((label, score, box))
        size = CLASSES + 4 * cells * count
        rows.append(evaluated(predictions, objects, size, p, misses_are_wrong=True))
    return np.array(rows)


def yolo2(data, truth, p):
    rows = []
    for x, t in zip(data, truth, strict=True):
        objects = []
        for label, *box in t.reshape(30, 5):
            if box[0] == 0:
                break
            objects.append((int(label), box, False))
        predictions = []
        for j, i, n in np.ndindex(SIDE, SIDE, 5):
            numbers = x[n * (5 + CLASSES) : (n + 1) * (5 + CLASSES), j, i]
            powers = np.exp(numbers[5:])
            label = int(powers.argmax())
            score = score_of(sigmoid(numbers[4]), powers[label] / powers.sum(), p)
            box = [
                (i + sigmoid(numbers[0])) / SIDE,
                (j + sigmoid(numbers[1])) / SIDE,
                math.exp(numbers[2]) * BIASES[2 * n] / SIDE,
                math.exp(numbers[3]) * BIASES[2 * n + 1] / SIDE,
            ]
            predictions.append((label, score, box))
        size = CLASSES + 4 * SIDE**2 * 5
        rows.append(evaluated(predictions, objects, size, p, misses_are_wrong=False))
    return np.array(rows)


BIASES = [1.08, 1.19, 3.42, 4.41, 6.63, 11.38, 9.42, 5.11, 0.62, 0.52]
SETTINGS = {
    "defaults": {},
    "objectness": {"score_type": "OBJ", "threshold": 0.2},
    "suppressed": {"score_type": "PROB", "nms": 0.4, "threshold": 0.1},
    "plain": {"sqrt": False, "constriant": False, "threshold": 0.1, "nms": 0.3},
}


def text_of(p, count, rest=""):
    fields = " ".join(f"{k}: {str(v).lower() if isinstance(v, bool) else v}" for k, v in p.items())
    return (
        f'type: "EvalDetection" eval_detection_param {{ side: {SIDE} num_class: {CLASSES} '
        f"num_object: {count} {fields} {rest} }}"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_yolo1(name, tmp_path):
    p, cells, rng = SETTINGS[name], SIDE**2, np.random.default_rng(3)
    truth = np.zeros((3, 7 * cells), "float32")
    truth[:, :cells] = rng.integers(0, 2, (3, cells))
    truth[:2, cells : 2 * cells] = rng.integers(0, 2, (2, cells))
    truth[:, 2 * cells : 3 * cells] = rng.integers(0, 2, (3, cells))
    truth[:, 3 * cells :] = rng.uniform(0.3, 0.7, (3, 4 * cells))
    data = rng.uniform(0.3, 0.8, (3, cells * (CLASSES + 10))).astype("float32")
    data[:, : 2 * cells] += 0.2
    fed = {"data": data, "truth": truth}
    model = built(tmp_path, text_of(p, 2), data=data.shape, truth=truth.shape)
    wanted = yolo1(*fed.values(), p)
    assert wanted[:, CLASSES + 2 :: 4].any()
    found = keras_fcn.blobs(model, fed)["y"]
    assert_close(found, wanted)
    assert convert.load_network(tmp_path / "net.prototxt").outputs[0].shape == found.shape
    if name == "suppressed":
        assert_survives(model, fed, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["defaults", "objectness", "suppressed"])
def test_yolo2(name, tmp_path):
    p, rng = SETTINGS[name] | {"nms": 0.45} if name == "objectness" else SETTINGS[name], None
    rng = np.random.default_rng(8)
    truth = rng.uniform(0.2, 0.8, (2, 30, 5)).astype("float32")
    truth[..., 0] = rng.integers(0, CLASSES, (2, 30))
    truth[0, 7, 1] = truth[1, 0, 1] = 0
    fed = {
        "data": rng.normal(0, 1, (2, 5 * (5 + CLASSES), SIDE, SIDE)).astype("float32"),
        "truth": truth.reshape(2, 150),
    }
    text = text_of(p, 5, " ".join(f"biases: {b}" for b in BIASES))
    model = built(tmp_path, text, **{k: x.shape for k, x in fed.items()})
    wanted = yolo2(*(x.astype("float64") for x in fed.values()), p)
    assert_close(keras_fcn.blobs(model, fed)["y"], wanted)
    if name == "suppressed":
        assert_survives(model, fed, tmp_path)


@pytest.mark.parametrize(
    ("text", "data", "truth", "message"),
    [
        (text_of({}, 2), (1, 126), (1, 64), "needs 63 numbers an image"),
        (text_of({}, 2), (1, 125), (1, 63), "needs 126 numbers an image"),
        (text_of({}, 2, "biases: 1"), (1, 126), (1, 63), "num_object: 2 and 1 biases"),
    ],
)
def test_refused(text, data, truth, message, tmp_path):
    with pytest.raises(convert.CaffeError, match=message):
        built(tmp_path, text, data=data, truth=truth)
