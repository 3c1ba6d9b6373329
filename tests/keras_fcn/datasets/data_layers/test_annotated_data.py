"""SSD's AnnotatedData: boxes follow what is done to their image."""

from __future__ import annotations

import io

import lmdb  # noqa: F401  as `write` needs it
import numpy as np
import pytest
from PIL import Image

from keras_fcn.caffe.definition import Fields
from keras_fcn.caffe.errors import CaffeError, UnsupportedLayerError
from keras_fcn.caffe.proto import schema
from keras_fcn.datasets.data_layers.box_samples import samples
from keras_fcn.preprocessing.fixed_point import resize_8bit
from tests.keras_fcn.datasets.data_layers.nets import batches, same, source
from tests.keras_fcn.datasets.data_layers.test_data import write

TEXT = """type: "AnnotatedData" top: "data" top: "label"
  transform_param { mean_value: 104 mean_value: 117 mean_value: 123 %s }
  data_param { source: "db" batch_size: 2 backend: LMDB } annotated_data_param { %s }"""
RESIZE = "resize_param { prob: 1 resize_mode: WARP height: 60 width: 90 %s }"
MEAN = np.float32([104, 117, 123])[:, None, None]
SIZE = 120, 180  # height, width


def picture(number):
    """A box of full red on a smooth ground, in BGR; and the box in parts of the image."""
    height, width = SIZE
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 90, width).astype(np.uint8)
    top, left = 24 + 6 * number, 36 + 9 * number
    pixels[top : top + 36, left : left + 60, 2] = 255
    return pixels, (left / width, top / height, (left + 60) / width, (top + 36) / height)


def annotated(number, classes=(3,), encoded=True, kind=True):
    message = schema.new("AnnotatedDatum")
    pixels, corners = picture(number)
    if encoded:
        file = io.BytesIO()
        Image.fromarray(pixels[..., ::-1].copy()).save(file, "PNG")
        message.datum.encoded, message.datum.data = True, file.getvalue()
    else:
        message.datum.data = pixels.transpose(2, 0, 1).tobytes()
    message.datum.channels, message.datum.height, message.datum.width = 3, *SIZE
    if kind:
        message.type = 0
    for instance, each in enumerate(classes):
        group = message.annotation_group.add(group_label=each)
        box = group.annotation.add(instance_id=instance).bbox
        box.xmin, box.ymin, box.xmax, box.ymax = corners
        box.difficult = instance > 0
    return message.SerializeToString()


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path, [annotated(0), annotated(1, (2, 5)), annotated(2, ())])


def test_images_and_the_boxes_of_a_batch(folder):
    with source(folder, TEXT % ("", "")) as opened:
        assert opened.shapes == {"data": (2, 3, *SIZE), "label": (1, 1, None, 8)}
        first, second = batches(opened, 2)
    pixels, corners = picture(1)
    np.testing.assert_array_equal(first["data"][1], pixels.transpose(2, 0, 1) - MEAN)
    expected = [[0, 3, 0, *picture(0)[1], 0], [1, 2, 0, *corners, 0], [1, 5, 1, *corners, 1]]
    np.testing.assert_allclose(first["label"][0, 0], expected, atol=1e-6)
    np.testing.assert_allclose(second["label"][0, 0], [[1, 3, 0, *picture(0)[1], 0]], atol=1e-6)


def test_a_batch_without_boxes_has_a_row_of_minus_one(tmp_path):
    write(tmp_path, [annotated(0, ())])
    with source(tmp_path, TEXT % ("", "")) as opened:
        np.testing.assert_array_equal(opened.next()["label"], np.full((1, 1, 1, 8), -1))


def test_resized_as_opencv_does(folder):
    with source(folder, TEXT % (RESIZE % "", "")) as opened:
        found = opened.next()
    wanted = resize_8bit(picture(0)[0], (60, 90)).transpose(2, 0, 1) - MEAN
    np.testing.assert_array_equal(found["data"][0], wanted)
    np.testing.assert_allclose(found["label"][0, 0, 0, 3:7], picture(0)[1], atol=1e-6)


SAMPLERS = """batch_sampler { max_sample: 1 max_trials: 1 }
  batch_sampler { sampler { min_scale: 0.6 max_scale: 1 min_aspect_ratio: 0.5 max_aspect_ratio: 2 }
    sample_constraint { min_jaccard_overlap: 0.1 } max_sample: 1 max_trials: 50 }"""
WAYS = "interp_mode: LINEAR interp_mode: AREA interp_mode: NEAREST interp_mode: CUBIC"
EXPAND = "expand_param { prob: 0.5 max_expand_ratio: 3 }"
FITTED = "resize_param { resize_mode: FIT_LARGE_SIZE_AND_PAD height: 100 width: 90 pad_value: 9 }"
SMALL = "resize_param { resize_mode: FIT_SMALL_SIZE height: 70 width: 90 }"
# Colors change little, so that red stays the reddest; but for their order, which is kept.
DISTORT = """distort_param { brightness_prob: 1 brightness_delta: 20
  contrast_prob: 1 contrast_lower: 0.8 contrast_upper: 1.2 hue_prob: 1 hue_delta: 4
  saturation_prob: 1 saturation_lower: 0.8 saturation_upper: 1.2 }"""


@pytest.mark.parametrize(
    "transform",
    [
        "",
        RESIZE % WAYS,
        f"{RESIZE % ''} {EXPAND}",
        f"{FITTED} {EXPAND}",
        SMALL,
        f"{SMALL} {DISTORT} {EXPAND}",
    ],
)
def test_boxes_stay_where_the_red_is(tmp_path, transform):
    """Mirrored, sampled, expanded, resized, cropped: the red box tells where its box must be."""
    write(tmp_path, [annotated(0), annotated(1)])
    crop = "crop_h: 48 crop_w: 72" if transform else ""
    changes = f"mirror: true emit_constraint {{ emit_type: CENTER }} {transform} {crop}"
    samplers = SAMPLERS if transform else ""
    with source(tmp_path, TEXT % (changes, samplers)) as opened:
        found = batches(opened, 20)
    measured = 0
    for batch in found:
        height, width = batch["data"].shape[2:]
        for row in batch["label"][0, 0][batch["label"][0, 0, :, 1] > 0]:
            image = batch["data"][int(row[0])] + MEAN
            red = np.argwhere(image[2] > 128)
            top, left, bottom, right = *red.min(0), *(red.max(0) + 1)
            edges = np.array([left / width, top / height, right / width, bottom / height])
            np.testing.assert_allclose(row[3:7], edges, atol=2 / min(height, width))
            measured += 1
    assert measured > 20
    if transform:
        widths = {round(float(row[5] - row[3]), 2) for b in found for row in b["label"][0, 0]}
        assert len(widths) > 5


def test_going_on_gives_the_same_batches(folder):
    text = TEXT % (f"mirror: true {RESIZE % WAYS} {EXPAND}", SAMPLERS)
    with source(folder, text) as opened, source(folder, text, workers=3) as other:
        batches(opened, 2)
        state = opened.state()
        after = batches(opened, 3)
        assert same(batches(other, 5)[2:], after)
        opened.restore(state)
        assert same(batches(opened, 3), after)


def test_samples_meet_their_constraints():
    rows = np.float32([[1, 0, 0.2, 0.3, 0.5, 0.8, 0]])
    sampler = Fields(
        sampler=Fields(min_scale=0.3, max_scale=1.0, min_aspect_ratio=0.5, max_aspect_ratio=2.0),
        sample_constraint=Fields(min_jaccard_overlap=0.4),
        max_trials=300,
    )
    found = np.array(samples([sampler], rows, np.random.default_rng(0)))
    assert 5 < len(found) < 200
    common = np.minimum(found[:, 2:], rows[0, 4:6]) - np.maximum(found[:, :2], rows[0, 2:4])
    common = np.prod(np.maximum(common, 0), 1)
    union = np.prod(found[:, 2:] - found[:, :2], 1) + 0.15 - common
    assert (common / union > 0.4 - 1e-6).all()
    assert found.min() >= 0
    assert found.max() <= 1 + 1e-6
    assert not samples([sampler], rows[:0], np.random.default_rng(0))
    assert not samples([sampler.with_(use_original_image=False)], rows, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("transform", "own", "error", "message"),
    [
        ("distort_param { hue_delta: -1 }", "", CaffeError, "hue_delta must be 0 or more.*-1"),
        ("distort_param { contrast_lower: 2 }", "", CaffeError, "contrast from 2 to 0 is no range"),
        ("noise_param { prob: 1 }", "", UnsupportedLayerError, "has noise_param"),
        ("resize_param { height: 3 }", "", CaffeError, "needs height and width"),
        ("resize_param { height: 3 width: 3 height_scale: 1 }", "", CaffeError, "height_scale"),
        (FITTED.replace("9 }", "[1, 2] }"), "", CaffeError, "2 pad_value for 3 channels"),
        ("expand_param { prob: 1 max_expand_ratio: 99 }", "", CaffeError, "from 1 to 16.*99"),
        ("", "yolo_data_type: 1", UnsupportedLayerError, "has yolo_data_type"),
        ("", "batch_sampler { sampler { min_scale: 2 } }", CaffeError, "scale from 2 to 1"),
    ],
)
def test_what_is_not_computed_is_refused(folder, transform, own, error, message):
    with pytest.raises(error, match=message):
        source(folder, TEXT % (transform, own))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (annotated(0, kind=False), "no type of annotation"),
        (b"\x0a\xff", "not an AnnotatedDatum"),
        (annotated(0, encoded=False), "is raw, .* resizes encoded images alone"),
    ],
)
def test_bad_records_are_named(tmp_path, content, message):
    write(tmp_path, [content])
    with pytest.raises(CaffeError, match=rf"layer 'data' .*key '00000000'.*{message}"):
        source(tmp_path, TEXT % (RESIZE % "", ""))


def test_raw_images_are_not_distorted(tmp_path):
    write(tmp_path, [annotated(0, encoded=False)])
    with pytest.raises(CaffeError, match=r"key '00000000'.*is raw.*take distort_param away"):
        source(tmp_path, TEXT % (DISTORT, ""))
