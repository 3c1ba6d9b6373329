"""Detectors against plain loops over their authors' definitions."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
from PIL import Image

import keras_fcn
from keras_fcn.inference.known_detectors import find_detector
from keras_fcn.inference.preparation import describe_size
from keras_fcn.inference.tasks import find_task
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.resampling import resize
from tests.keras_fcn.inference.test_tasks import DETECTIONS, INPUT, SOFTMAX, SSD

PLAIN = Preprocessing(mean=None, raw_scale=1)
IMAGE = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)

REGIONS = """
name: "regions"
input: "data" input_shape { dim: 1 dim: 3 dim: 224 dim: 224 }
input: "im_info" input_shape { dim: 1 dim: %(info)d }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param {
  num_output: 4 kernel_size: 16 stride: 16 weight_filler { type: "gaussian" std: 0.05 } } }
layer { name: "score" type: "Convolution" bottom: "conv" top: "score" convolution_param {
  num_output: 18 kernel_size: 1 weight_filler { type: "gaussian" std: 0.5 } } }
layer { name: "move" type: "Convolution" bottom: "conv" top: "move" convolution_param {
  num_output: 36 kernel_size: 1 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "proposal" type: "Python" bottom: "score" bottom: "move" bottom: "im_info"
  top: "rois" python_param { module: "rpn.proposal_layer" layer: "ProposalLayer"
  param_str: "'feat_stride': 16" } }
layer { name: "pool" type: "ROIPooling" bottom: "conv" bottom: "rois" top: "pool"
  roi_pooling_param { pooled_h: 2 pooled_w: 2 spatial_scale: 0.0625 } }
layer { name: "bbox_pred" type: "InnerProduct" bottom: "pool" top: "bbox_pred"
  inner_product_param { num_output: %(deltas)d weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "cls_score" type: "InnerProduct" bottom: "pool" top: "cls_score"
  inner_product_param { num_output: 3 weight_filler { type: "gaussian" std: 0.5 } } }
layer { name: "cls_prob" type: "Softmax" bottom: "cls_score" top: "cls_prob" }
"""


SCORED = """
layer { name: "%(name)s" type: "Convolution" bottom: "conv" top: "%(name)s" convolution_param {
  num_output: %(channels)d kernel_size: 1 weight_filler { type: "gaussian" std: %(std)f } } }
layer { name: "%(name)s_pool" type: "PSROIPooling" bottom: "%(name)s" bottom: "rois"
  top: "%(name)s_pool" psroi_pooling_param { spatial_scale: 0.0625 group_size: 2
  output_dim: %(each)d } }
layer { name: "%(name)s_ave" type: "Pooling" bottom: "%(name)s_pool" top: "%(name)s_ave"
  pooling_param { pool: AVE kernel_size: 2 stride: 2 } }
"""
RESHAPED = """
layer { name: "%(name)s" type: "Reshape" bottom: "%(bottom)s" top: "%(name)s"
  reshape_param { shape { dim: -1 dim: %(each)d } } }
"""
POSITION_SENSITIVE = (
    REGIONS[: REGIONS.index('layer { name: "pool"')] % {"info": 3}
    + SCORED % {"name": "cls", "channels": 12, "each": 3, "std": 1.5}
    + SCORED % {"name": "loc", "channels": 32, "each": 8, "std": 0.2}
    + 'layer { name: "prob" type: "Softmax" bottom: "cls_ave" top: "prob" }'
    + RESHAPED % {"name": "cls_prob", "bottom": "prob", "each": 3}
    + RESHAPED % {"name": "bbox_pred", "bottom": "loc_ave", "each": 8}
)
"""R-FCN, as in its authors' test_agnostic.prototxt."""


def read(text, folder, **options):
    (folder / "net.prototxt").write_text(text)
    return keras_fcn.from_caffe(folder / "net.prototxt", seed=1, **options)


def suppressed(boxes, overlap):
    """Indices of boxes, best first, that no better kept one overlaps; pixels are squares."""
    kept = []
    for index, (left, top, right, bottom) in enumerate(boxes):
        for x1, y1, x2, y2 in boxes[kept]:
            wide = min(right, x2) - max(left, x1) + 1
            high = min(bottom, y2) - max(top, y1) + 1
            shared = max(wide, 0) * max(high, 0)
            both = (right - left + 1) * (bottom - top + 1) + (x2 - x1 + 1) * (y2 - y1 + 1)
            if shared / (both - shared) > overlap:
                break
        else:
            kept.append(index)
    return kept


def authors(regions, scores, deltas, scale, size, threshold=0.05, overlap=0.3, agnostic=False):
    """Rows (class, score, box) as py-faster-rcnn's test finds them."""
    height, width = size
    found = []
    for label in range(1, scores.shape[1]):
        rows = []
        for region, score, delta in zip(
            regions[:, 1:] / scale, scores[:, label], deltas, strict=True
        ):
            dx, dy, dw, dh = delta[4:8] if agnostic else delta[4 * label : 4 * label + 4]
            wide, high = region[2] - region[0] + 1, region[3] - region[1] + 1
            x = dx * wide + region[0] + 0.5 * wide
            y = dy * high + region[1] + 0.5 * high
            half = 0.5 * np.exp(dw) * wide, 0.5 * np.exp(dh) * high
            box = [x - half[0], y - half[1], x + half[0], y + half[1]]
            limits = [width - 1, height - 1] * 2
            rows.append(
                [label, score, *(min(max(p, 0), q) for p, q in zip(box, limits, strict=True))]
            )
        rows = np.array([row for row in rows if row[1] > threshold]).reshape(-1, 6)
        rows = rows[np.argsort(-rows[:, 1], kind="stable")]
        found.extend(rows[suppressed(rows[:, 2:], overlap)])
    found = np.array(found)
    return found[np.argsort(-found[:, 1], kind="stable")][:100]


def as_rows(records):
    return np.array([[x["index"], x["score"], *x["box"]] for x in records])


@pytest.fixture(scope="module")
def ssd(tmp_path_factory):
    return read(INPUT + SSD + DETECTIONS, tmp_path_factory.mktemp("ssd"))


def found_by_authors(model, size, info, **options):
    """What their test finds in the image, resized, from the network's own numbers."""
    scale = size[0] / len(IMAGE)
    named = {
        "data": dataclasses.replace(PLAIN, size=size)(IMAGE)[np.newaxis],
        "im_info": np.array([[*size, scale, scale][:info]], "f4"),
    }
    probe = keras.Model(model.inputs, [model.get_layer("proposal").output[0], *model.outputs])
    rois, deltas, scores = probe.predict([named[x.name] for x in model.inputs], verbose=0)
    return authors(rois, scores, deltas, scale, IMAGE.shape[:2], **options)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({"info": 3, "deltas": 12}, {}),
        ({"info": 4, "deltas": 12}, {"threshold": 0.4, "overlap": 0.6}),
        ({"info": 3, "deltas": 8}, {}),  # R-FCN: one box for all classes
    ],
)
def test_regions_are_decoded_as_their_authors_do(tmp_path, settings, options):
    model = read(REGIONS % settings, tmp_path)
    assert find_task(model).kind == "boxes"
    size, agnostic = (120, 180), settings["deltas"] == 8
    wanted = found_by_authors(model, size, settings["info"], agnostic=agnostic, **options)
    found = keras_fcn.detect(model, IMAGE, preprocessing=PLAIN, size=size, **options)
    assert len(found) == len(wanted) > 5
    assert {x["index"] for x in found} == {1, 2}
    np.testing.assert_allclose(as_rows(found), wanted, rtol=1e-4, atol=1e-3)


@pytest.mark.slow
def test_position_sensitive_regions(tmp_path):
    model = read(POSITION_SENSITIVE, tmp_path)
    probe = keras.Model(
        model.inputs,
        [
            model.get_layer("proposal").output[0],
            *(model.get_layer(name).output for name in ("cls_prob", "bbox_pred")),
        ],
    )
    prepared = dataclasses.replace(PLAIN, size=(120, 180))(IMAGE)[np.newaxis]
    named = {"data": prepared, "im_info": np.array([[120, 180, 2]], "f4")}
    found = probe.predict([named[x.name] for x in model.inputs], verbose=0)
    wanted = authors(*found, 2, IMAGE.shape[:2], agnostic=True)
    records = keras_fcn.detect(model, IMAGE, preprocessing=PLAIN, size=(120, 180))
    assert len(wanted) > 5
    np.testing.assert_allclose(as_rows(records), wanted, rtol=1e-4, atol=1e-3)
    assert keras_fcn.detect(model, IMAGE, preprocessing=PLAIN, threshold=1) == []


@pytest.mark.slow
def test_regions_at_the_authors_size(tmp_path):
    text = REGIONS % {"info": 3, "deltas": 12}
    model = read(text, tmp_path)
    wanted = found_by_authors(model, (600, 900), 3)
    found = keras_fcn.detect(model, IMAGE, preprocessing=PLAIN)
    np.testing.assert_allclose(as_rows(found), wanted, rtol=1e-4, atol=1e-3)
    again = read(text, tmp_path, outputs=["rois", "cls_prob", "bbox_pred"])
    assert keras_fcn.detect(again, IMAGE, preprocessing=PLAIN) == found


@pytest.mark.parametrize(
    ("shape", "size"),
    [((100, 150), (600, 900)), ((150, 100), (900, 600)), ((60, 200), (300, 1000))],
)
def test_the_short_side_is_600_and_the_long_one_at_most_1000(tmp_path, shape, size):
    model = read(REGIONS % {"info": 3, "deltas": 12}, tmp_path)
    assert "a short side of 600 pixels" in describe_size(model, PLAIN)
    detector = find_detector(model)
    assert detector.sized(PLAIN, np.zeros((*shape, 3))).size == size


@pytest.mark.slow
def test_regions_of_an_image_at_its_own_size(tmp_path):
    model = read(REGIONS % {"info": 3, "deltas": 12}, tmp_path)
    own = keras_fcn.detect(model, IMAGE, preprocessing=PLAIN, size=None)
    np.testing.assert_allclose(
        as_rows(own), found_by_authors(model, (60, 90), 3), rtol=1e-4, atol=1e-3
    )
    by_hand = Preprocessing(mean=None, raw_scale=1, size=(60, 90))
    assert own == keras_fcn.detect(model, IMAGE, preprocessing=by_hand)


def test_ssd_boxes_are_the_networks_in_pixels(ssd):
    rows = keras_fcn.predict(ssd, IMAGE, preprocessing=PLAIN)
    rows = rows[np.argsort(-rows[:, 2], kind="stable")]
    found = keras_fcn.detect(ssd, IMAGE, preprocessing=PLAIN)
    wanted = np.hstack([rows[:, 1:3], rows[:, 3:] * [90, 60, 90, 60]])
    np.testing.assert_allclose(as_rows(found), wanted, rtol=1e-6)
    assert [list(map(type, x.values())) for x in found[:1]] == [[str, int, float, list]]
    least = found[2]["score"]
    assert keras_fcn.detect(ssd, IMAGE, preprocessing=PLAIN, threshold=least) == found[:3]
    images = [IMAGE, IMAGE[:30], Image.fromarray(IMAGE)]
    several = keras_fcn.detect(ssd, (x for x in images), preprocessing=PLAIN)
    assert several[0] == several[2] == found
    assert several[1] == keras_fcn.detect(ssd, IMAGE[:30], preprocessing=PLAIN) != found


def test_nothing_is_found(ssd, tmp_path):
    grid = read(INPUT + GRID, tmp_path, outputs=["grid"])
    for model, options in ((ssd, {}), (grid, {"anchors": ANCHORS})):
        images = [IMAGE, IMAGE[:31, :47]]
        options |= {"preprocessing": PLAIN, "threshold": 1.5}
        assert keras_fcn.detect(model, images, **options) == [[], []]


def test_boxes_of_a_crop_lie_in_the_whole_picture(ssd):
    cut = Preprocessing(mean=None, raw_scale=1, size=(30, 45), crop=(10, 15))
    inner = resize(IMAGE, (30, 45))[10:20, 15:30]
    alone = keras_fcn.detect(ssd, inner / 255, preprocessing=PLAIN, size=None)
    whole = keras_fcn.detect(ssd, IMAGE, preprocessing=cut)
    moved = as_rows(alone)
    moved[:, 2:] = (moved[:, 2:] + [15, 10, 15, 10]) * 2
    np.testing.assert_allclose(as_rows(whole), moved, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_names_with_the_background_or_without(ssd, tmp_path):
    for names in (["nothing", "face"], ["face"]):
        found = keras_fcn.detect(ssd, IMAGE, classes=names, preprocessing=PLAIN)
        assert {(x["index"], x["label"]) for x in found} == {(1, "face")}
    assert keras_fcn.detect(ssd, IMAGE, preprocessing=PLAIN)[0]["label"] == "class 1"
    (tmp_path / "map.prototxt").write_text("item { name: 'x' label: 1 display_name: 'cat' }")
    found = keras_fcn.detect(
        ssd, IMAGE, classes=str(tmp_path / "map.prototxt"), preprocessing=PLAIN
    )
    assert found[0]["label"] == "cat"
    with (tmp_path / "map.prototxt").open("a") as file:
        file.write("item { name: 'none' label: 0 }")
    told = keras_fcn.with_card(ssd, preprocessing=PLAIN, classes=str(tmp_path / "map.prototxt"))
    assert keras_fcn.detect(told, IMAGE) == found
    told = keras_fcn.with_card(ssd, preprocessing=PLAIN, classes=["nothing", "car"])
    assert keras_fcn.detect(told, IMAGE)[0]["label"] == "car"
    with pytest.raises(ValueError, match=r"1 or 2\. Received: 3 names"):
        keras_fcn.detect(ssd, IMAGE, classes=["a", "b", "c"], preprocessing=PLAIN)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["nested", "keras", "saved_model"])
def test_other_forms_of_a_detector(ssd, tmp_path, kind):
    sized = Preprocessing(mean=None, raw_scale=1, size=(6, 10))
    found = keras_fcn.detect(ssd, IMAGE, preprocessing=sized)
    if kind == "nested":
        x = keras.Input((6, 10, 3))
        other = keras.Model(x, ssd(x))
    else:
        path = tmp_path / ("net.keras" if kind == "keras" else "net")
        keras_fcn.export(ssd, path, kind)
        other = keras_fcn.load(path)
    assert find_task(other).kind == "detections"
    np.testing.assert_allclose(
        as_rows(keras_fcn.detect(other, IMAGE, preprocessing=sized)), as_rows(found), rtol=1e-5
    )


GRID = """
layer { name: "grid" type: "Convolution" bottom: "conv" top: "grid" convolution_param {
  num_output: 14 kernel_size: 1 weight_filler { type: "xavier" } } }
"""
REGION = 'layer { name: "region" type: "Region" bottom: "grid" top: "region" region_param { %s } }'
ANCHORS = [[1.5, 1.0], [0.5, 2.0]]


def apart(rows, overlap):
    """Rows of a class, best first, without those that overlap a better one."""
    kept = []
    for row in sorted(rows, key=lambda row: -row[1]):
        shares = []
        for other in kept:
            low, high = np.maximum(row[2:4], other[2:4]), np.minimum(row[4:], other[4:])
            shared = np.prod(np.maximum(high - low, 0))
            sizes = [np.prod(np.subtract(box[4:], box[2:4])) for box in (row, other)]
            shares.append(shared / (sum(sizes) - shared))
        if not any(share >= overlap for share in shares):
            kept.append(row)
    return kept


def boxes_of_grid(cells, threshold, overlap):
    """Rows of raw numbers (rows, columns, 2, 7), as darknet finds them."""
    height, width = cells.shape[:2]
    found = []
    for label in range(2):
        rows = []
        for y, x, k in np.ndindex(height, width, 2):
            tx, ty, tw, th, objectness, *classes = cells[y, x, k]
            share = np.exp(classes) / np.exp(classes).sum()
            score = share[label] / (1 + np.exp(-objectness))
            middle = (x + 1 / (1 + np.exp(-tx))) / width, (y + 1 / (1 + np.exp(-ty))) / height
            half = np.exp([tw, th]) * ANCHORS[k] / [width, height] / 2
            if score > threshold:
                rows.append([label, score, *(middle - half), *(middle + half)])
        found.extend(apart(rows, overlap))
    return np.array(sorted(found, key=lambda row: -row[1]))


@pytest.mark.sweep(2)
@pytest.mark.parametrize(
    "fields", ["num: 2 classes: 2", "boxes_of_each_grid: 2 classes: 2 softmax: true"]
)
def test_region_layers(tmp_path, fields):
    head = INPUT + GRID
    numbers = read(head, tmp_path, outputs=["grid"])
    small = Preprocessing(mean=None, raw_scale=4, input_scale=2)
    raw = numbers.predict(small(resize(IMAGE, (6, 10)) / 255)[np.newaxis], verbose=0)[0]
    wanted = boxes_of_grid(raw.reshape(4, 8, 2, 7).astype("f8"), 0.15, 0.2)
    wanted[:, 2:] *= [90, 60, 90, 60]
    model = read(head + REGION % fields, tmp_path)
    model.set_weights(numbers.get_weights())
    options = {"threshold": 0.15, "overlap": 0.2, "preprocessing": small}
    found = keras_fcn.detect(model, IMAGE, anchors=ANCHORS, **options)
    assert {x["index"] for x in found} == {0, 1}
    np.testing.assert_allclose(as_rows(found), wanted, rtol=1e-4, atol=1e-3)
    assert keras_fcn.detect(model, IMAGE, anchors=np.ravel(ANCHORS), **options) == found
    with pytest.raises(ValueError, match="does not hold its 2 anchors; give anchors"):
        keras_fcn.detect(model, IMAGE, **options)
    with pytest.raises(ValueError, match=r"anchors must be 4 numbers.*\[1.0, 2.0\]"):
        keras_fcn.detect(model, IMAGE, anchors=[1, 2], **options)


YOLO = """
layer { name: "out" type: "YoloDetectionOutput" bottom: "grid" top: "out"
  yolo_detection_output_param { num_classes: 2 num_box: 2 confidence_threshold: 0.2
  biases: 1 biases: 1 biases: 2 biases: 2 } }
"""


def test_yolo_classes_count_from_one(tmp_path):
    text = (INPUT + GRID + YOLO).replace("dim: 6 dim: 10", "dim: 8 dim: 8")
    model = read(text, tmp_path)
    rows = keras_fcn.predict(model, IMAGE, preprocessing=PLAIN)
    found = keras_fcn.detect(model, IMAGE, classes=["cat", "dog"], preprocessing=PLAIN)
    assert len(found) == len(rows) > 0
    assert {(x["index"], x["label"]) for x in found} <= {(1, "cat"), (2, "dog")}


def test_what_a_network_is_for_instead(ssd, tmp_path):
    model = read(INPUT + SOFTMAX % "conv", tmp_path)
    with pytest.raises(ValueError, match=r"detect is for networks that give boxes.*so segment is"):
        keras_fcn.detect(model, IMAGE, preprocessing=PLAIN)
    heads = read(INPUT + SSD, tmp_path)
    with pytest.raises(ValueError, match="detect takes networks that end in DetectionOutput"):
        keras_fcn.detect(heads, IMAGE, preprocessing=PLAIN)
    for options, why in (({"overlap": 0.3}, "last layer"), ({"anchors": [1, 2]}, "in Region")):
        with pytest.raises(ValueError, match=why):
            keras_fcn.detect(ssd, IMAGE, preprocessing=PLAIN, **options)
    for function, name in ((keras_fcn.classify, "classify"), (keras_fcn.segment, "segment")):
        with pytest.raises(ValueError, match=f"{name} is for .*rows of detections, so detect is"):
            function(ssd, IMAGE, preprocessing=PLAIN)


MAPS = """
layer { name: "%(name)s" type: "Convolution" bottom: "conv" top: "%(name)s" convolution_param {
  num_output: 14 kernel_size: 1 stride: %(stride)d weight_filler { type: "xavier" } } }
"""


def boxes_of_maps(maps, anchors, unit, threshold, overlap):
    """Rows of v3's raw maps (rows, columns, 2 * 7), each with its anchors."""
    found = []
    for label in range(2):
        rows = []
        for grid, sides in zip(maps, anchors, strict=True):
            height, width = grid.shape[:2]
            for y, x, k in np.ndindex(height, width, 2):
                tx, ty, tw, th, *scores = grid[y, x, 7 * k : 7 * k + 7].astype("f8")
                score = 1 / (1 + np.exp(-scores[0])) / (1 + np.exp(-scores[1 + label]))
                middle = (x + 1 / (1 + np.exp(-tx))) / width, (y + 1 / (1 + np.exp(-ty))) / height
                half = np.exp([tw, th]) * sides[k] / unit / 2
                if score > threshold:
                    rows.append([label, score, *(middle - half), *(middle + half)])
        found.extend(apart(rows, overlap))
    return np.array(sorted(found, key=lambda row: -row[1]))


def test_maps_of_yolo_v3(tmp_path):
    text = INPUT + MAPS % {"name": "fine", "stride": 1} + MAPS % {"name": "coarse", "stride": 2}
    model = read(text, tmp_path)
    small = Preprocessing(mean=None, raw_scale=1)
    raw = model.predict(small(resize(IMAGE, (6, 10)) / 255)[np.newaxis], verbose=0)
    fine, coarse = sorted((x[0] for x in raw), key=lambda x: -x.size)
    anchors = [1, 2, 2, 1.5, 4, 3, 3, 5]
    pairs = np.reshape(anchors, (2, 2, 2))
    wanted = boxes_of_maps([fine, coarse], pairs, (10, 6), 0.1, 0.3)
    wanted[:, 2:] *= [90, 60, 90, 60]
    options = {"threshold": 0.1, "overlap": 0.3, "preprocessing": small, "classes": ["a", "b"]}
    found = keras_fcn.detect(model, IMAGE, anchors=anchors, **options)
    assert {x["label"] for x in found} == {"a", "b"}
    np.testing.assert_allclose(as_rows(found), wanted, rtol=1e-4, atol=1e-3)
    told = keras_fcn.with_card(model, task="boxes")
    assert keras_fcn.detect(told, IMAGE, anchors=anchors, **options) == found
    with pytest.raises(ValueError, match=r"must be as many for each map.*3 anchors.*14, 14 chann"):
        keras_fcn.detect(model, IMAGE, anchors=anchors[:6], **options)
    with pytest.raises(ValueError, match=r"must be as many for each map.*0 anchors"):
        keras_fcn.detect(model, IMAGE, anchors=[], **options)
    for unasked in (model, told):
        with pytest.raises(ValueError, match="YOLO's maps need anchors"):
            keras_fcn.detect(unasked, IMAGE, preprocessing=small)


def test_one_map_is_yolo_v2s(tmp_path):
    """The numbers that a Region layer makes boxes of."""
    model = read(INPUT + GRID, tmp_path, outputs=["grid"])
    region = read(INPUT + GRID + REGION % "num: 2 classes: 2", tmp_path)
    region.set_weights(model.get_weights())
    options = {"threshold": 0.15, "preprocessing": PLAIN, "anchors": ANCHORS}
    found = keras_fcn.detect(model, IMAGE, **options)
    wanted = keras_fcn.detect(region, IMAGE, **options)
    assert len(found) > 5
    np.testing.assert_allclose(as_rows(found), as_rows(wanted), rtol=1e-5, atol=1e-4)


DETECTNET = """
input: "data" input_shape { dim: 1 dim: 3 dim: 64 dim: 96 }
layer { name: "cover" type: "Convolution" bottom: "data" top: "cover" convolution_param {
  num_output: 1 kernel_size: 8 stride: 8 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "coverage" type: "Sigmoid" bottom: "cover" top: "coverage" }
layer { name: "bboxes" type: "Convolution" bottom: "data" top: "bboxes" convolution_param {
  num_output: 4 kernel_size: 8 stride: 8 weight_filler { type: "gaussian" std: 1.5 } } }
layer { name: "cluster" type: "Python" bottom: "coverage" bottom: "bboxes" top: "list"
  python_param { module: "caffe.layers.detectnet.clustering" layer: "ClusterDetections"
  param_str: "96,64,8,0.3,0,0.05,1,1" } }
"""


@pytest.mark.slow
def test_detectnets_clusters(tmp_path):
    model = read(DETECTNET, tmp_path)
    kernel, _ = model.get_layer("bboxes").get_weights()
    model.get_layer("bboxes").set_weights([kernel / 5, np.array([-8, -8, 16, 16])])
    prepared = np.moveaxis(resize(IMAGE, (64, 96)) / 255, -1, 0)[np.newaxis, ::-1]
    (listed,) = keras_fcn.blobs(model, prepared)["list"]
    rows = np.array([row for row in listed if row.any()])
    rows = rows[np.argsort(-rows[:, 4], kind="stable")]
    wanted = np.hstack([0 * rows[:, :1], rows[:, 4:], rows[:, :4] * ([90 / 96, 60 / 64] * 2)])
    found = keras_fcn.detect(model, [IMAGE, IMAGE // 2], preprocessing=PLAIN)
    assert len(wanted) > 2
    np.testing.assert_allclose(as_rows(found[0]), wanted, rtol=1e-6)
    least = wanted[1, 1]
    fewer = keras_fcn.detect(model, IMAGE, preprocessing=PLAIN, threshold=least)
    assert len(fewer) == (wanted[:, 1] >= least).sum()
