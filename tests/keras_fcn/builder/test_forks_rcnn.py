"""ROIPooling, PSROIPooling and ROIAlign against plain loops over their published definitions."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import keras_fcn
from keras_fcn import layers
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.net.assembly import load_network
from tests.golden import assert_close, to_caffe_order, to_channels_last
from tests.keras_fcn.builder.forks import assert_gradient, assert_survives, built, net
from tests.keras_fcn.layers.checks import assert_config_round_trip, normal

FLOAT = np.float32


def c_round(x):
    """C's round: halves away from 0."""
    return np.sign(x) * np.floor(np.abs(x) + 0.5)


def clipped(value, size):
    return int(min(max(value, 0), size))


def roi_pooling(x, rois, pooled_h, pooled_w, scale, pad_ratio=0):
    top = np.zeros((len(rois), x.shape[1], pooled_h, pooled_w), x.dtype)
    for n, (image, *corners) in enumerate(rois.reshape(-1, 5)):
        x1, y1, x2, y2 = corners
        pad_w, pad_h = (x2 - x1 + 1) * pad_ratio, (y2 - y1 + 1) * pad_ratio
        corners = (x1 - pad_w, y1 - pad_h, x2 + pad_w, y2 + pad_h)
        x1, y1, x2, y2 = (int(c_round(FLOAT(corner) * FLOAT(scale))) for corner in corners)
        bin_h = FLOAT(max(y2 - y1 + 1, 1)) / FLOAT(pooled_h)
        bin_w = FLOAT(max(x2 - x1 + 1, 1)) / FLOAT(pooled_w)
        for i in range(pooled_h):
            top_row = clipped(np.floor(FLOAT(i) * bin_h) + y1, x.shape[2])
            end_row = clipped(np.ceil(FLOAT(i + 1) * bin_h) + y1, x.shape[2])
            for j in range(pooled_w):
                left = clipped(np.floor(FLOAT(j) * bin_w) + x1, x.shape[3])
                right = clipped(np.ceil(FLOAT(j + 1) * bin_w) + x1, x.shape[3])
                if end_row > top_row and right > left:
                    cells = x[int(image), :, top_row:end_row, left:right]
                    top[n, :, i, j] = cells.max(axis=(1, 2))
    return top


def psroi_pooling(x, rois, dim, group, scale):
    top = np.zeros((len(rois), dim, group, group), x.dtype)
    scale = FLOAT(scale)
    for n, (image, *corners) in enumerate(rois.reshape(-1, 5)):
        x1, y1, x2, y2 = (FLOAT(c_round(corner)) for corner in corners)
        x1, y1, x2, y2 = x1 * scale, y1 * scale, (x2 + FLOAT(1)) * scale, (y2 + FLOAT(1)) * scale
        bin_h = max(y2 - y1, FLOAT(0.1)) / FLOAT(group)
        bin_w = max(x2 - x1, FLOAT(0.1)) / FLOAT(group)
        for i in range(group):
            top_row = clipped(np.floor(FLOAT(i) * bin_h + y1), x.shape[2])
            end_row = clipped(np.ceil(FLOAT(i + 1) * bin_h + y1), x.shape[2])
            for j in range(group):
                left = clipped(np.floor(FLOAT(j) * bin_w + x1), x.shape[3])
                right = clipped(np.ceil(FLOAT(j + 1) * bin_w + x1), x.shape[3])
                if end_row <= top_row or right <= left:
                    continue
                for d in range(dim):
                    cells = x[int(image), (d * group + i) * group + j]
                    top[n, d, i, j] = cells[top_row:end_row, left:right].mean()
    return top


def bilinear(plane, y, x):
    """Channels (C, H, W) at a place inside them."""
    height, width = plane.shape[1:]
    top, left = int(np.floor(y)), int(np.floor(x))
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    dy, dx = y - top, x - left
    upper = plane[:, top, left] * (1 - dx) + plane[:, top, right] * dx
    lower = plane[:, bottom, left] * (1 - dx) + plane[:, bottom, right] * dx
    return upper * (1 - dy) + lower * dy


def roi_align(x, rois, pooled_h, pooled_w, scale, ratio):
    height, width = x.shape[2:]
    top = np.zeros((len(rois), x.shape[1], pooled_h, pooled_w), x.dtype)
    for n, (image, *corners) in enumerate(rois.reshape(-1, 5)):
        x1, y1, x2, y2 = (FLOAT(corner) * FLOAT(scale) for corner in corners)
        bin_h = max(y2 - y1, FLOAT(1)) / FLOAT(pooled_h)
        bin_w = max(x2 - x1, FLOAT(1)) / FLOAT(pooled_w)
        count_h = ratio if ratio > 0 else int(np.ceil(bin_h))
        count_w = ratio if ratio > 0 else int(np.ceil(bin_w))
        for i, j in np.ndindex(pooled_h, pooled_w):
            for iy, ix in np.ndindex(count_h, count_w):
                y = y1 + i * bin_h + (iy + 0.5) * bin_h / count_h
                at = x1 + j * bin_w + (ix + 0.5) * bin_w / count_w
                if -1 <= y <= height and -1 <= at <= width:
                    y, at = min(max(y, 0), height - 1), min(max(at, 0), width - 1)
                    top[n, :, i, j] += bilinear(x[int(image)], y, at) / (count_h * count_w)
    return top


def roi_align_grid(x, rois, pooled_h, pooled_w, scale, pad_ratio):
    height, width = x.shape[2:]
    top = np.zeros((len(rois), x.shape[1], pooled_h + 1, pooled_w + 1), x.dtype)
    for n, (image, x1, y1, x2, y2) in enumerate(rois.reshape(-1, 5)):
        pad_w, pad_h = (x2 - x1 + 1) * pad_ratio, (y2 - y1 + 1) * pad_ratio
        left, right = (x1 - pad_w) * scale - 0.5, (x2 + pad_w) * scale - 0.5
        upper, lower = (y1 - pad_h) * scale - 0.5, (y2 + pad_h) * scale - 0.5
        if lower <= upper or right <= left:
            continue
        for i, j in np.ndindex(pooled_h + 1, pooled_w + 1):
            y = upper + i * (lower - upper) / pooled_h
            at = left + j * (right - left) / pooled_w
            if -0.5 <= y <= height - 0.5 and -0.5 <= at <= width - 0.5:
                y, at = min(max(y, 0), height - 1), min(max(at, 0), width - 1)
                top[n, :, i, j] = bilinear(x[int(image)], y, at)
    return top


SHAPE = (2, 3, 9, 14)
GROUP = 3
SCALE = "spatial_scale: 0.0625"
PAD = "pad_ratio: 0.25"

CASES = {
    "roi_pooling": (
        f'type: "ROIPooling" roi_pooling_param {{ pooled_h: 3 pooled_w: 4 {SCALE} }}',
        SHAPE,
        lambda x, rois: roi_pooling(x, rois, 3, 4, 0.0625),
    ),
    "roi_pooling_widened": (
        f'type: "ROIPooling" roi_pooling_param {{ pooled_h: 2 pooled_w: 1 {SCALE} {PAD} }}',
        SHAPE,
        lambda x, rois: roi_pooling(x, rois, 2, 1, 0.0625, 0.25),
    ),
    "psroi_pooling": (
        f'type: "PSROIPooling" psroi_pooling_param {{ {SCALE} output_dim: 2 group_size: {GROUP} }}',
        (2, 2 * GROUP * GROUP, 9, 14),
        lambda x, rois: psroi_pooling(x, rois, 2, GROUP, 0.0625),
    ),
    "roi_align": (
        f'type: "ROIAlign" roi_align_param {{ pooled_h: 3 pooled_w: 4 {SCALE} sampling_ratio: 2 }}',
        SHAPE,
        lambda x, rois: roi_align(x, rois, 3, 4, 0.0625, 2),
    ),
    "roi_align_adaptive": (
        f'type: "ROIAlign" roi_align_param {{ pooled_h: 2 pooled_w: 3 {SCALE} }}',
        SHAPE,
        lambda x, rois: roi_align(x, rois, 2, 3, 0.0625, -1),
    ),
    "roi_align_grid": (
        f'type: "ROIAlign" roi_pooling_param {{ pooled_h: 3 pooled_w: 4 {SCALE} pad_ratio: 0.1 }}',
        SHAPE,
        lambda x, rois: roi_align_grid(x, rois, 3, 4, 0.0625, 0.1),
    ),
}
ALL = pytest.mark.parametrize("case", CASES)


def some_rois(count, seed=0):
    """Regions in and around images of 224 x 144 pixels, some malformed."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-40, 1, (count, 4)) + rng.uniform(0, 1, (count, 4)) * [150, 90, 280, 200]
    return np.column_stack([rng.integers(0, 2, count), corners]).astype("float32")


@pytest.mark.sweep(3)
@ALL
@pytest.mark.parametrize("count", [30, 1, 0])
def test_forward_with_any_number_of_regions(case, count, tmp_path):
    text, shape, reference = CASES[case]
    model = built(tmp_path, text, x=shape, rois=(7, 5))
    x, rois = normal(*shape), some_rois(count)
    top = keras_fcn.blobs(model, {"x": x, "rois": rois})["y"]
    wanted = reference(x.astype("float64") if "align" in case else x, rois)
    assert top.shape == wanted.shape
    assert_close(top, wanted)


@ALL
def test_regions_of_four_axes_and_another_map_size(case, tmp_path):
    text, shape, reference = CASES[case]
    model = built(tmp_path, text, x=shape, rois=(7, 5, 1, 1))
    x, rois = normal(1, shape[1], 11, 6), some_rois(12).reshape(-1, 5, 1, 1)
    rois[:, 0] = 0
    top = keras_fcn.blobs(model, {"x": x, "rois": rois})["y"]
    assert_close(top, reference(x, rois))


@pytest.mark.sweep(2)
@ALL
def test_gradient_goes_to_the_map_only(case, tmp_path):
    text, shape, reference = CASES[case]
    model = built(tmp_path, text, x=shape, rois=(7, 5))
    # Maxima far apart, so that no step of the differences changes the winner.
    x = np.random.default_rng(0).permutation(np.prod(shape)).reshape(shape).astype("float32") / 100
    assert_gradient(model, reference, {"x": x, "rois": some_rois(12)}, ["x"])


@pytest.mark.slow
@ALL
def test_saved_and_exported(case, tmp_path):
    text, shape, _ = CASES[case]
    model = built(tmp_path, text, x=shape, rois=(7, 5))
    assert_survives(model, {"x": normal(*shape), "rois": some_rois(11)}, tmp_path)
    assert_config_round_trip(model.get_layer("l"))


@pytest.mark.slow
@pytest.mark.parametrize("bins", [3, 6, 7, 14])
def test_bin_edges_are_rounded_as_in_caffe(bins):
    """In a graph too, where a division by a constant is a product."""
    sizes = np.arange(1, 161)
    rois = np.stack([0 * sizes, 0 * sizes, 0 * sizes, sizes - 1, sizes - 1], axis=1)
    x, rois = normal(1, 1, 160, 160), rois.astype("float32")
    layer = layers.ROIPooling(bins)
    specs = [tf.TensorSpec((None, None, None, 1)), tf.TensorSpec((None, 5))]
    function = tf.function(lambda *inputs: layer(inputs), input_signature=specs)
    found = function(to_channels_last(x), rois).numpy()
    assert_close(to_caffe_order(found), roi_pooling(x, rois, bins, bins, 1.0), 0)


def test_corners_are_rounded_half_away_from_zero():
    x = np.arange(49, dtype="float32").reshape(1, 1, 7, 7)
    rois = np.array([[0, 0.5, 1.5, 0.5, 1.5], [0, 2.5, -0.5, 2.5, 0.49999997]], "float32")
    found = layers.ROIPooling(1)([to_channels_last(x), rois])
    # (1, 2) to (1, 2); (3, -1) to (3, 0), cut to (3, 0).
    assert_close(found[:, 0, 0, 0], [15, 3], 0)


def test_equal_maxima_pass_the_gradient_to_the_first():
    x = tf.zeros((1, 4, 4, 1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        top = layers.ROIPooling(1)([x, np.array([[0, 1, 1, 3, 3]], "float32")])
    wanted = np.zeros((1, 4, 4, 1))
    wanted[0, 1, 1] = 1
    assert_close(tape.gradient(top, x), wanted, 0)


def test_forks_of_roi_align_are_told_apart_and_reported(tmp_path):
    text, shape, _ = CASES["roi_align_grid"]
    (note,) = load_network(net(tmp_path, text, x=shape, rois=(7, 5))).notes
    assert "cascade-rcnn" in note
    text, shape, _ = CASES["roi_align"]
    (note,) = load_network(net(tmp_path, text, x=shape, rois=(7, 5))).notes
    assert "cambricon" in note


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_coordinates_are_not_rounded_to_half_precision(policy):
    x = np.zeros((1, 1, 2100, 2), "float32")
    x[0, 0, 2050:] = 1
    rois = np.array([[0, 2049, 0, 2049, 0], [0, 2050, 0, 2050, 0]], "float32")
    top = layers.ROIPooling(1, dtype=policy)([x, rois])
    assert_close(np.asarray(top[:, 0, 0, 0]).astype("float32"), [0, 1], 0)


@pytest.mark.parametrize(
    ("text", "rois", "message"),
    [
        ('type: "ROIPooling" roi_pooling_param { pooled_h: 3 }', (7, 5), "pooled_w"),
        (
            'type: "ROIPooling" roi_pooling_param { pooled_h: 0 pooled_w: 1 }',
            (7, 5),
            "pooled_h: 0",
        ),
        (
            'type: "ROIPooling" roi_pooling_param { pooled_h: 1 pooled_w: 1 }',
            (7, 4),
            "five numbers a region",
        ),
        (
            f'type: "PSROIPooling" psroi_pooling_param {{ {SCALE} output_dim: 2 group_size: 2 }}',
            (7, 5),
            "need 8 channels",
        ),
    ],
)
def test_bad_settings_are_refused(text, rois, message, tmp_path):
    with pytest.raises(CaffeError, match=message):
        load_network(net(tmp_path, text, x=(1, 3, 8, 8), rois=rois))
