"""DetectNet's ClusterDetections against a box by box reference.

The reference's grouping was compared with OpenCV's ``cv2.groupRectangles``, whose results
for one set of boxes stand in a test.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import keras_fcn
from keras_fcn.caffe.errors import CaffeError
from tests.keras_fcn.builder.forks import assert_survives, built, net

MOST = 50

# cv2 4.14
CV_BOXES = [
    [36, 19, 47, 38],
    [-1, 65, 51, 67],
    [22, 2, 76, 28],
    [24, 7, 76, 32],
    [1, 65, 52, 65],
    [25, 1, 79, 30],
    [25, 3, 76, 28],
    [-2, 65, 52, 67],
    [35, 25, 53, 41],
    [24, 1, 77, 31],
    [22, 1, 75, 29],
    [40, 21, 50, 39],
    [0, 61, 55, 62],
    [2, 64, 51, 65],
]
CV_RESULTS = {
    (1, 0.05): ([[-2, 65, 52, 67], [2, 64, 52, 65], [24, 2, 76, 30]], [2, 2, 2]),
    (1, 0.2): ([[37, 22, 50, 39], [0, 64, 52, 65], [24, 2, 76, 30]], [3, 5, 6]),
    (2, 0.1): ([[0, 65, 52, 66], [24, 2, 77, 29]], [4, 5]),
    (3, 0.3): ([[0, 64, 52, 65], [24, 2, 76, 30]], [5, 6]),
}


def group_rectangles(boxes, threshold, eps):
    """Boxes of four whole numbers, taken for x, y, width and height -> clusters, and weights."""
    if threshold <= 0:
        return list(boxes), [1] * len(boxes)
    label = list(range(len(boxes)))

    def close(one, other):
        size = min(one[2], other[2]) + min(one[3], other[3])
        delta = eps * size * 0.5
        ends = [(b[0], b[1], b[0] + b[2], b[1] + b[3]) for b in (one, other)]
        return all(abs(a - b) <= delta for a, b in zip(*ends, strict=True))

    changed = True
    while changed:
        changed = False
        for i, one in enumerate(boxes):
            for j, other in enumerate(boxes):
                if label[j] < label[i] and close(one, other):
                    label[i], changed = label[j], True
    clusters = []
    for first in dict.fromkeys(label):
        members = [box for box, mine in zip(boxes, label, strict=True) if mine == first]
        share = np.float32(1) / np.float32(len(members))
        mean = [round(float(np.float32(sum(side)) * share)) for side in zip(*members, strict=True)]
        clusters.append((mean, len(members)))
    kept = []
    for i, (one, n1) in enumerate(clusters):
        inside = False
        for j, (other, n2) in enumerate(clusters):
            if i == j or n2 <= threshold:
                continue
            dx, dy = round(other[2] * eps), round(other[3] * eps)
            inside |= (
                one[0] >= other[0] - dx
                and one[1] >= other[1] - dy
                and one[0] + one[2] <= other[0] + other[2] + dx
                and one[1] + one[3] <= other[1] + other[3] + dy
                and (n2 > max(3, n1) or n1 < 3)
            )
        if n1 > threshold and not inside:
            kept.append((one, n1))
    return [box for box, _ in kept], [weight for _, weight in kept]


def cluster_detections(coverage, offsets, param_str):
    """As NVIDIA's layer goes, for one class: (N, 50, 5)."""
    width, height, stride, least, threshold, eps, min_height, *_ = map(float, param_str.split(","))
    columns, rows = int(width / stride), int(height / stride)
    out = np.zeros((len(coverage), MOST, 5))
    for image, (cover, offset) in enumerate(zip(coverage, offsets, strict=True)):
        cover = cover[0:rows][0:columns]
        found = []
        for y, x in zip(*np.where(cover >= np.float32(least)), strict=True):
            shift = [x * int(width // columns), y * int(height // rows)] * 2
            found.append([float(offset[k][y][x]) + shift[k] for k in range(4)])
        if not np.any(found):
            continue
        whole = [[round(side) for side in box] for box in found]
        boxes, weights = group_rectangles(whole, int(threshold), eps)
        kept = [
            [*box, math.log(weight)]
            for box, weight in zip(boxes, weights, strict=True)
            if box[3] - box[1] >= min_height
        ]
        if kept:
            out[image, : len(kept)] = np.asarray(kept, np.float16)[:MOST]
    return out


def scene(images, classes, rows, columns, stride, seed):
    """Coverage and offsets of cells that see one of a few boxes, a few pixels off."""
    rng = np.random.default_rng(seed)
    coverage = np.zeros((images, classes, rows, columns), "float32")
    offsets = np.zeros((images, 4, rows, columns), "float32")
    for image in range(images):
        for _ in range(rng.integers(2, 6)):
            low = rng.uniform(0, 0.7, 2) * (columns * stride, rows * stride)
            high = low + rng.uniform(0.1, 0.5, 2) * (columns * stride, rows * stride)
            for y, x in np.ndindex(rows, columns):
                if not (low[0] <= x * stride <= high[0] and low[1] <= y * stride <= high[1]):
                    continue
                coverage[image, rng.integers(classes), y, x] = rng.uniform(0.2, 1)
                corner = np.array([x, y, x, y]) * stride
                offsets[image, :, y, x] = (*low, *high) - corner + rng.normal(0, 1.5, 4)
    offsets[:, :, ::2] = np.round(offsets[:, :, ::2] * 2) / 2  # halves, which round to even
    return coverage, offsets


def layer(param_str, classes=1):
    tops = " ".join(f'top: "list{index}"' for index in range(classes))
    return (
        f'type: "Python" {tops} python_param {{ module: "caffe.layers.detectnet.clustering" '
        f'layer: "ClusterDetections" param_str: "{param_str}" }}'
    )


CASES = {
    "wide": ("96, 64, 8, 0.4, 2, 0.05, 4", 1, (8, 12)),
    "two classes": ("96,64,8,0.3,1,0.03,10,2", 2, (8, 12)),
    "tall, the last rows do not count": ("64,96,8,0.4,1,0.05,4", 1, (12, 8)),
    "sides that stride does not divide": ("100,70,8,0.4,1,0.05,4", 1, (8, 12)),
    "nothing is grouped": ("96,64,8,0.9,0,0.05,4", 1, (8, 12)),
    "far apart is alike": ("96,64,8,0.4,3,0.4,0", 1, (8, 12)),
    "tall boxes only": ("96,64,8,0.4,1,0.05,1000", 1, (8, 12)),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_cluster_detections(case, tmp_path):
    param_str, classes, (rows, columns) = CASES[case]
    filled = 0
    model = None
    for seed in range(2):
        coverage, offsets = scene(2, classes, rows, columns, 8, seed)
        coverage[1] = 0  # an image without a box
        fed = {"coverage": coverage, "bboxes": offsets}
        shapes = {name: x.shape for name, x in fed.items()}
        model = model or built(tmp_path, layer(param_str, classes), **shapes)
        found = keras_fcn.blobs(model, fed)
        for index in range(classes):
            wanted = cluster_detections(coverage[:, index], offsets, param_str)
            np.testing.assert_array_equal(found[f"list{index}"], wanted.astype("float32"))
            filled += np.count_nonzero(wanted[..., 2])
    assert bool(filled) is (case != "tall boxes only")
    if case in ("two classes", "nothing is grouped"):
        assert_survives(model, fed, tmp_path)


def test_more_boxes_than_rows(tmp_path):
    """The first 50 stay."""
    coverage = np.ones((1, 1, 8, 12), "float32")
    offsets = np.zeros((1, 4, 8, 12), "float32")
    offsets[:, 2:] = 8
    model = built(
        tmp_path, layer("96,64,8,0.4,0,0.05,4"), coverage=(1, 1, 8, 12), bboxes=(1, 4, 8, 12)
    )
    rows = keras_fcn.blobs(model, {"coverage": coverage, "bboxes": offsets})["list0"][0]
    places = [(8 * (n % 12), 8 * (n // 12)) for n in range(MOST)]
    np.testing.assert_array_equal(rows, [[x, y, x + 8, y + 8, 0] for x, y in places])


def test_grouping_is_opencvs():
    boxes = CV_BOXES
    for (threshold, eps), (clusters, weights) in CV_RESULTS.items():
        found = group_rectangles(boxes, threshold, eps)
        assert [list(map(int, box)) for box in found[0]] == clusters
        assert found[1] == weights


@pytest.mark.parametrize(
    ("text", "tops", "message"),
    [
        ("96,64,8,0.4,2,0.05", 1, "must list numbers: image_size_x, image_size_y, stride"),
        ("96,64,8,0.4,2.5,0.05,4", 1, "must list numbers"),
        ("", 1, "must list numbers"),
        ("96,64,8,0.4,2,0.05,4,2", 1, "2 classes need as many tops, there are 1"),
        ("96,64,0,0.4,2,0.05,4", 1, "stride"),
        ("96,64,100,0.4,2,0.05,4", 1, "no cell of 100 pixels"),
        ("96,64,8,0.4,2,0.05,4,2", 2, "bottoms with 2 and 4 channels"),
    ],
)
def test_wrong_parameters(text, tops, message, tmp_path):
    with pytest.raises(CaffeError, match=message):
        keras_fcn.from_caffe(
            net(tmp_path, layer(text, tops), coverage=(1, 1, 8, 12), bboxes=(1, 4, 8, 12))
        )
