"""DetectionEvaluate against numpy, one detection after another as in SSD's layer."""

from __future__ import annotations

import numpy as np
import pytest

import keras_fcn
from keras_fcn.caffe.errors import CaffeError
from tests.golden import assert_close
from tests.keras_fcn.builder.forks import assert_survives, built
from tests.keras_fcn.builder.test_forks_detections import overlap


def pixels(box):
    return (box[2] - box[0] + 1) * (box[3] - box[1] + 1)


def overlap_in_pixels(one, other):
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    apart = (other[:2] > one[2:]).any() or (other[2:] < one[:2]).any()
    shared = 1.0 if apart else (high - low + 1).prod()
    return shared / (pixels(one) + pixels(other) - shared)


def output(box, size, resize):
    height, width = size
    if resize is not None:
        aspect, tall, wide = width / height, *resize
        low = np.zeros(2)
        if aspect > wide / tall:
            low[1] = (tall - wide / aspect) / 2 / tall
        else:
            low[0] = (wide - tall * aspect) / 2 / wide
        if (box[:2] < 1 - low).all() and (box[2:] > low).all():
            box = (box.reshape(2, 2) - low) / (1 - 2 * low)
    return np.clip(box, 0, 1).reshape(2, 2).dot(np.diag([width, height])).ravel()


def evaluate(found, truth, classes, background=0, threshold=0.5, difficult=True, **pixels_of):
    sizes, resize, seen = pixels_of.get("sizes"), pixels_of.get("resize"), pixels_of.get("seen", 0)
    true: dict[int, dict[int, list]] = {}
    for row in truth.reshape(-1, 8):
        if row[0] == -1:
            break
        true.setdefault(int(row[0]), {}).setdefault(int(row[1]), []).append(row)
    groups: dict[int, dict[int, list]] = {}
    for row in found.reshape(-1, 7):
        if row[0] != -1:
            groups.setdefault(int(row[0]), {}).setdefault(int(row[1]), []).append(row)
    rows = []
    for label in range(classes):
        if label != background:
            own = [r for by_label in true.values() for r in by_label.get(label, ())]
            rows.append((-1, label, sum(difficult or not r[7] for r in own), -1, -1))
    for image in sorted(groups):
        for label in sorted(groups[image]):
            if label == -1:
                continue
            boxes = true.get(image, {}).get(label)
            mine = groups[image][label]
            if boxes is None:
                rows += [(image, label, row[2], 0, 1) for row in mine]
                continue
            visited = set()
            for row in sorted(mine, key=lambda row: -row[2]):
                amounts = []
                for other in boxes:
                    pair = [row[3:7], other[3:7]]
                    if sizes:
                        pair = [output(b, sizes[seen % len(sizes)], resize) for b in pair]
                    amounts.append((overlap_in_pixels if sizes else overlap)(*pair))
                best = int(np.argmax(amounts))
                if amounts[best] < threshold:
                    rows.append((image, label, row[2], 0, 1))
                elif not difficult and boxes[best][7]:
                    rows.append((image, label, row[2], 0, 0))
                else:
                    rows.append((image, label, row[2], best not in visited, best in visited))
                    visited.add(best)
        seen += 1
    return np.array(rows, "float64")[None, None], seen


TRUTH = [
    [0, 1, 0, 0.1, 0.1, 0.5, 0.6, 0],
    [0, 2, 0, 0.3, 0.2, 0.9, 0.7, 1],
    [0, 1, 1, 0.5, 0.5, 0.8, 0.9, 0],
    [2, 2, 0, 0.2, 0.3, 0.7, 0.8, 0],
    [2, 1, 0, 0.25, 0.3, 0.7, 0.75, 1],
]


def bottoms(seed=0, number=30):
    rng = np.random.default_rng(seed)
    truth = np.array(TRUTH, "float32")
    rows = np.zeros((number, 7), "float32")
    rows[:, 0] = np.sort(rng.integers(0, 4, number))
    rows[:, 1] = rng.integers(1, 4, number)
    rows[:, 2] = rng.uniform(0, 1, number)
    for row in rows:
        row[3:] = truth[rng.integers(len(truth)), 3:7] + rng.normal(0, 0.07, 4)
        row[5:] = np.maximum(row[5:], row[3:5])
    rows[4, 1:] = -1
    return {"found": rows[None, None], "truth": truth[None, None]}


def net(folder, fed, fields=""):
    text = f'type: "DetectionEvaluate" detection_evaluate_param {{ num_classes: 4 {fields} }}'
    return built(folder, text, **{name: x.shape for name, x in fed.items()})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fields", "settings"),
    [
        ("", {}),
        ("overlap_threshold: 0.3", {"threshold": 0.3}),
        ("evaluate_difficult_gt: false", {"difficult": False}),
        ("background_label_id: 9", {"background": 9}),
    ],
)
def test_rows(fields, settings, tmp_path):
    fed = bottoms()
    model = net(tmp_path, fed, fields)
    wanted, _ = evaluate(*fed.values(), 4, **settings)
    assert wanted[..., 3].any()
    assert wanted[..., 4].any()
    assert_close(keras_fcn.blobs(model, fed)["y"], wanted)
    if settings.get("difficult") is False:
        assert ((wanted[..., 3] == 0) & (wanted[..., 4] == 0)).any()
        assert_survives(model, fed, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("resize", [None, (300, 300)])
def test_boxes_in_pixels_count_images_through_all_calls(resize, tmp_path):
    sizes = [(30, 50), (60, 20), (44, 44), (25, 90), (10, 10)]
    (tmp_path / "sizes.txt").write_text(
        "".join(f"name{i} {h} {w}\n" for i, (h, w) in enumerate(sizes))
    )
    fields = 'name_size_file: "sizes.txt" overlap_threshold: 0.4 '
    if resize is not None:
        fields += "resize_param { resize_mode: FIT_LARGE_SIZE_AND_PAD height: 300 width: 300 }"
    model, seen = net(tmp_path, bottoms(), fields), 0
    for seed in range(3):
        fed = bottoms(seed)
        wanted, seen = evaluate(
            *fed.values(), 4, threshold=0.4, sizes=sizes, resize=resize, seen=seen
        )
        assert_close(keras_fcn.blobs(model, fed)["y"], wanted)
    model.get_layer("l").reset_state()
    wanted, _ = evaluate(*fed.values(), 4, threshold=0.4, sizes=sizes, resize=resize)
    assert_close(keras_fcn.blobs(model, fed)["y"], wanted)
    assert model.weights == []


def test_true_boxes_after_a_row_without_an_image_are_not_read(tmp_path):
    fed = bottoms()
    fed["truth"][0, 0, 2, 0] = -1
    wanted, _ = evaluate(*fed.values(), 4)
    assert_close(keras_fcn.blobs(net(tmp_path, fed), fed)["y"], wanted)


def test_nothing_found_and_nothing_to_find(tmp_path):
    fed = bottoms()
    model = net(tmp_path, fed)
    fed = {"found": fed["found"][:, :, :2], "truth": fed["truth"][:, :, :1]}
    fed["found"][..., 1:], fed["truth"][...] = -1, -1
    wanted, _ = evaluate(*fed.values(), 4)
    assert wanted.shape == (1, 1, 3, 5)
    assert_close(keras_fcn.blobs(model, fed)["y"], wanted)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("overlap_threshold: 0", "overlap_threshold: 0.0 must be above 0"),
        ('name_size_file: "nowhere.txt"', "name_size_file: cannot read 'nowhere.txt'.*No such"),
        ("resize_param { height_scale: 3 }", "height_scale"),
        ("resize_param { resize_mode: FIT_LARGE_SIZE_AND_PAD }", "needs height and width"),
    ],
)
def test_refused(fields, message, tmp_path):
    with pytest.raises(CaffeError, match=message):
        net(tmp_path, bottoms(), fields)


def test_rows_of_another_length(tmp_path):
    with pytest.raises(CaffeError, match="needs bottoms"):
        net(tmp_path, {"found": np.zeros((1, 1, 2, 8)), "truth": np.zeros((1, 1, 2, 8))})
