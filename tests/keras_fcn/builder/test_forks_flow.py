"""Optical flow layers and Resize against plain loops over their published definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest

import keras_fcn
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.net.assembly import load_network
from tests.golden import assert_close
from tests.keras_fcn.builder.forks import assert_gradient, assert_survives, built, net
from tests.keras_fcn.layers.checks import assert_config_round_trip, normal


def triangle(x):
    return max(1 - abs(x), 0)


def cubic(x):
    x = abs(x)
    if x <= 1:
        return x * x * (1.5 * x - 2.5) + 1
    return x * (x * (-0.5 * x + 2.5) - 4) + 2 if x < 2 else 0


def resample(x, height, width, filtering, antialias=True):
    fy, fx = x.shape[2] / height, x.shape[3] / width
    widen = antialias and (fx > 1 or fy > 1)
    ax, ay = (1 / fx, 1 / fy) if widen else (1, 1)
    # As in the fork: each axis takes half the factor of the other one.
    rows = [i * fy + fx / 2 - 0.5 for i in range(height)]
    columns = [j * fx + fy / 2 - 0.5 for j in range(width)]
    if filtering is None:
        rows = [min(max(math.floor(y + 0.5), 0), x.shape[2] - 1) for y in rows]
        columns = [min(max(math.floor(at + 0.5), 0), x.shape[3] - 1) for at in columns]
        return x[:, :, rows][..., columns]
    by_row = np.array([[filtering(ay * (y - h)) for h in range(x.shape[2])] for y in rows])
    by_column = np.array([[filtering(ax * (at - w)) for w in range(x.shape[3])] for at in columns])
    total = np.outer(by_row.sum(axis=1), by_column.sum(axis=1))
    top = np.einsum("ih,jw,nchw->ncij", by_row, by_column, x)
    return np.divide(top, total, out=np.zeros_like(top), where=total != 0)


def resize(x, height, width):
    scale_h, scale_w = x.shape[2] / height, x.shape[3] / width
    top = np.zeros((*x.shape[:2], height, width), x.dtype)
    padded = np.pad(x, [(0, 0), (0, 0), (0, 1), (0, 1)])
    for i, j in np.ndindex(height, width):
        row, column = math.floor(i * scale_h), math.floor(j * scale_w)
        dy, dx = i * scale_h - row, j * scale_w - column
        cells = padded[:, :, row : row + 2, column : column + 2]
        top[:, :, i, j] = np.einsum("nchw,h,w->nc", cells, [1 - dy, dy], [1 - dx, dx])
    return top


def correlation(
    a, b, kernel, displacement, pad=0, stride=1, step=1, compare=np.multiply, steps=None
):
    """``steps``: displacements along the row only, in units of ``step``, without any height."""
    vertical = steps is None
    radius = displacement // step
    moves = [
        (p * step, o * step) for p in range(-radius, radius + 1) for o in range(-radius, radius + 1)
    ]
    if not vertical:
        moves = [(0, o * step) for o in steps]
    rows = pad if vertical else 0
    first = np.pad(a, [(0, 0), (0, 0), (rows, rows), (pad, pad)])
    far = 50
    second = np.pad(b, [(0, 0), (0, 0), (rows + far, rows + far), (pad + far, pad + far)])
    border = displacement if vertical else 0
    height = -(-(first.shape[2] - 2 * border - kernel + 1) // stride)
    width = -(-(first.shape[3] - 2 * displacement - kernel + 1) // stride)
    top = np.zeros((len(a), len(moves), height, width), a.dtype)
    for c, (p, o) in enumerate(moves):
        for i, j in np.ndindex(height, width):
            y, x = i * stride + border, j * stride + displacement
            window = first[:, :, y : y + kernel, x : x + kernel]
            y, x = y + p + far, x + o + far
            other = second[:, :, y : y + kernel, x : x + kernel]
            top[:, c, i, j] = compare(window, other).mean(axis=(1, 2, 3))
    return top


def difference(a, b):
    return np.abs(a - b)


def flow_warp(image, flow, fill=0.0):
    count, _, height, width = image.shape
    top = np.full(image.shape, fill, image.dtype)
    for n, y, x in np.ndindex(count, height, width):
        at_x, at_y = x + flow[n, 0, y, x], y + flow[n, 1, y, x]
        if not (0 <= at_x < width and 0 <= at_y < height):
            continue
        left, upper = int(at_x), int(at_y)
        right, lower = min(left + 1, width - 1), min(upper + 1, height - 1)
        dx, dy = at_x - left, at_y - upper
        top[n, :, y, x] = (
            (1 - dx) * (1 - dy) * image[n, :, upper, left]
            + dx * (1 - dy) * image[n, :, upper, right]
            + (1 - dx) * dy * image[n, :, lower, left]
            + dx * dy * image[n, :, lower, right]
        )
    return top


def accum(*maps, height, width):
    parts = []
    for x in maps:
        top = np.zeros((*x.shape[:2], height, width), x.dtype)
        for i, j in np.ndindex(height, width):
            y = i / (height - 1) * (x.shape[2] - 1)
            at = j / (width - 1) * (x.shape[3] - 1)
            row, column = math.floor(y), math.floor(at)
            lower, right = min(row + 1, x.shape[2] - 1), min(column + 1, x.shape[3] - 1)
            dy, dx = y - row, at - column
            top[:, :, i, j] = (1 - dy) * (
                (1 - dx) * x[:, :, row, column] + dx * x[:, :, row, right]
            ) + dy * ((1 - dx) * x[:, :, lower, column] + dx * x[:, :, lower, right])
        parts.append(top)
    return np.concatenate(parts, axis=1)


X = (2, 3, 6, 9)
CORRELATED = {"a": (2, 3, 9, 10), "b": (2, 3, 9, 10)}
CORRELATION = 'type: "Correlation" correlation_param'
ROW = 'type: "Correlation1D" correlation_param'
RESIZE = 'type: "Resize" resize_param'
WARP = 'type: "FlowWarp"'
FLOW = {"image": (2, 3, 5, 7), "flow": (2, 2, 5, 7)}
MAPS = {"a": (2, 2, 5, 3), "b": (2, 1, 4, 7)}

CASES = {
    "linear": (
        'type: "Resample" resample_param { height: 11 width: 14 }',
        {"x": X},
        lambda x: resample(x, 11, 14, triangle),
    ),
    "linear_shrinks": (
        'type: "Resample" resample_param { height: 4 width: 3 type: LINEAR }',
        {"x": X},
        lambda x: resample(x, 4, 3, triangle),
    ),
    "linear_aliases": (
        'type: "Resample" resample_param { height: 2 width: 3 antialias: false }',
        {"x": X},
        lambda x: resample(x, 2, 3, triangle, antialias=False),
    ),
    "linear_shrinks_one_axis": (
        'type: "Resample" resample_param { height: 3 width: 18 }',
        {"x": X},
        lambda x: resample(x, 3, 18, triangle),
    ),
    "cubic": (
        'type: "Resample" resample_param { height: 12 width: 18 type: CUBIC }',
        {"x": X},
        lambda x: resample(x, 12, 18, cubic),
    ),
    "cubic_shrinks": (
        'type: "Resample" resample_param { height: 3 width: 4 type: CUBIC }',
        {"x": X},
        lambda x: resample(x, 3, 4, cubic),
    ),
    "nearest": (
        'type: "Resample" resample_param { height: 12 width: 18 type: NEAREST }',
        {"x": X},
        lambda x: resample(x, 12, 18, None),
    ),
    "like_another": (
        'type: "Resample" resample_param { antialias: true }',
        {"x": X, "like": (2, 1, 8, 5)},
        lambda x, like: resample(x, *like.shape[2:], triangle),
    ),
    "resize": (
        'type: "Resize" resize_param { height: 13 width: 10 }',
        {"x": X},
        lambda x: resize(x, 13, 10),
    ),
    "resize_by_factor": (
        f"{RESIZE} {{ is_pyramid_test: true out_height_scale: 0.7 out_width_scale: 1.5 }}",
        {"x": X},
        lambda x: resize(x, int(0.7 * x.shape[2]), int(1.5 * x.shape[3])),
    ),
    "correlation": (
        f"{CORRELATION} {{ kernel_size: 1 max_displacement: 4 stride_2: 2 pad: 4 }}",
        CORRELATED,
        lambda a, b: correlation(a, b, 1, 4, pad=4, step=2),
    ),
    "correlation_of_windows": (
        f"{CORRELATION} {{ kernel_size: 3 max_displacement: 2 stride_1: 2 pad: 3 do_abs: true }}",
        CORRELATED,
        lambda a, b: correlation(a, b, 3, 2, pad=3, stride=2),
    ),
    "correlation_of_differences": (
        f"{CORRELATION} {{ kernel_size: 3 max_displacement: 1 correlation_type: SUBTRACT }}",
        CORRELATED,
        lambda a, b: correlation(a, b, 3, 1, compare=difference),
    ),
    "correlation_1d": (
        f"{ROW} {{ kernel_size: 3 max_displacement: 3 pad: 3 stride_1: 2 }}",
        CORRELATED,
        lambda a, b: correlation(a, b, 3, 3, pad=3, stride=2, steps=range(-3, 4)),
    ),
    "correlation_1d_left": (
        f"{ROW} {{ kernel_size: 1 max_displacement: 4 pad: 4 single_direction: -1 }}",
        CORRELATED,
        lambda a, b: correlation(a, b, 1, 4, pad=4, steps=range(-5, 0)),
    ),
    "correlation_1d_right": (
        f"{ROW} {{ kernel_size: 1 max_displacement: 4 stride_2: 2 single_direction: 1 }}",
        CORRELATED,
        lambda a, b: correlation(a, b, 1, 4, step=2, steps=range(3)),
    ),
    "flow_warp": (WARP, FLOW, flow_warp),
    "flow_warp_nan": (
        f"{WARP} flow_warp_param {{ fill_value: NOT_A_NUMBER }}",
        FLOW,
        lambda image, flow: flow_warp(image, flow, np.nan),
    ),
    "accum": (
        'type: "Accum"',
        MAPS,
        lambda a, b: accum(
            a,
            b,
            height=max(a.shape[2], b.shape[2]),
            width=max(a.shape[3], b.shape[3]),
        ),
    ),
    "accum_divisible": (
        'type: "Accum" accum_param { size_divisible_by: 4 }',
        MAPS,
        lambda a, b: accum(a, b, height=8, width=8),
    ),
    "accum_larger": (
        'type: "Accum" accum_param { top_height: 9 top_width: 10 }',
        MAPS,
        lambda a, b: accum(a, b, height=9, width=10),
    ),
    "accum_reference": (
        'type: "Accum" accum_param { have_reference: true }',
        {**MAPS, "like": (2, 1, 3, 4)},
        lambda a, b, like: accum(a, b, height=like.shape[2], width=like.shape[3]),
    ),
}
ALL = pytest.mark.parametrize("case", CASES)
DIFFERENTIABLE = [case for case in CASES if case not in ("nearest", "flow_warp_nan")]


def fed_with(shapes, batch=None):
    """Normal inputs; a flow that also points outside."""
    return {
        name: normal(batch or shape[0], *shape[1:], seed=seed) * np.float32(2)
        for seed, (name, shape) in enumerate(shapes.items())
    }


@pytest.mark.sweep(3)
@ALL
@pytest.mark.parametrize("batch", [2, 1])
def test_forward(case, batch, tmp_path):
    text, shapes, reference = CASES[case]
    model = built(tmp_path, text, **shapes)
    fed = fed_with(shapes, batch)
    top = keras_fcn.blobs(model, fed)["y"]
    (blob,) = load_network(tmp_path / "net.prototxt").outputs
    assert top.shape[1:] == blob.shape[1:]
    assert_close(top, reference(*(x.astype("float64") for x in fed.values())))


@pytest.mark.parametrize(
    "case", ["linear", "resize_by_factor", "correlation", "flow_warp", "accum"]
)
def test_other_sizes_than_the_prototxt_gives(case, tmp_path):
    text, shapes, reference = CASES[case]
    model = built(tmp_path, text, **shapes)
    fed = fed_with(
        {name: (*shape[:2], shape[2] + 3, shape[3] + 4) for name, shape in shapes.items()}
    )
    top = keras_fcn.blobs(model, fed)["y"]
    assert_close(top, reference(*(x.astype("float64") for x in fed.values())))


@pytest.mark.slow
@pytest.mark.parametrize("case", DIFFERENTIABLE)
def test_gradient(case, tmp_path):
    text, shapes, reference = CASES[case]
    model = built(tmp_path, text, **shapes)
    wanted = [name for name in shapes if name != "like"]
    assert_gradient(model, reference, fed_with(shapes), wanted, tolerance=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        "linear",
        "like_another",
        "resize",
        "correlation",
        "correlation_1d_left",
        "flow_warp",
        "accum",
    ],
)
def test_saved_and_exported(case, tmp_path):
    text, shapes, _ = CASES[case]
    model = built(tmp_path, text, **shapes)
    assert_config_round_trip(model.get_layer("l"))
    assert_survives(model, fed_with(shapes), tmp_path)


def test_a_flow_that_is_not_a_number_is_filled(tmp_path):
    model = built(tmp_path, WARP, **FLOW)
    fed = fed_with(FLOW)
    fed["flow"][0, 0, 2, 2] = np.nan
    top = keras_fcn.blobs(model, fed)["y"]
    assert_close(top, flow_warp(*fed.values()))
    assert not top[0, :, 2, 2].any()


@pytest.mark.parametrize(
    ("text", "shapes", "message"),
    [
        ('type: "Resample" resample_param { type: AREA height: 2 width: 2 }', {"x": X}, "AREA"),
        ('type: "Resample" resample_param { height: 2 }', {"x": X}, "width: 0"),
        ('type: "Resize" resize_param { height: 2 }', {"x": X}, "width: 0"),
        (f"{CORRELATION} {{ kernel_size: 2 max_displacement: 1 }}", CORRELATED, "odd"),
        (f"{CORRELATION} {{ kernel_size: 1 }}", CORRELATED, "max_displacement"),
        (f"{CORRELATION} {{ kernel_size: 1 max_displacement: 5 }}", CORRELATED, "do not fit"),
        (
            f"{CORRELATION} {{ kernel_size: 1 max_displacement: 1 }}",
            {"a": X, "b": (2, 3, 6, 8)},
            "one shape",
        ),
        (
            f"{ROW} {{ kernel_size: 1 max_displacement: 1 single_direction: 2 }}",
            CORRELATED,
            "single_direction: 2",
        ),
        (WARP, {"image": X, "flow": X}, "2 channels"),
        ('type: "Accum" accum_param { have_reference: true }', {"x": X}, "have_reference"),
    ],
)
def test_bad_settings_are_refused(text, shapes, message, tmp_path):
    with pytest.raises(CaffeError, match=message):
        load_network(net(tmp_path, text, **shapes))
