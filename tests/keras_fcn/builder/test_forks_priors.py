"""PriorBox, PriorBoxClustered and Permute beyond what SSD's Caffe recorded."""

from __future__ import annotations

import math

import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.layers import CaffePermute
from tests.golden import assert_close
from tests.keras_fcn.builder.forks import assert_survives, built


def priors(boxes, cells, image, step=None, offset=0.5, clip=False, variances=(0.1,) * 4):
    """Cell by cell, as prior_box_layer.cpp goes."""
    step = step or (image[0] / cells[0], image[1] / cells[1])
    numbers = []
    for row in range(cells[0]):
        for column in range(cells[1]):
            x, y = (column + offset) * step[1], (row + offset) * step[0]
            for width, height in boxes:
                numbers += [(x - width / 2) / image[1], (y - height / 2) / image[0]]
                numbers += [(x + width / 2) / image[1], (y + height / 2) / image[0]]
    corners = np.clip(numbers, 0, 1) if clip else np.array(numbers)
    return np.stack([corners, np.resize(variances, len(corners))])[None]


ROOT = math.sqrt(2)
FIELDS = {
    'type: "PriorBox" prior_box_param { min_size: 6 img_size: 80 }': (
        [(6, 6)],
        {"image": (80, 80)},
    ),
    'type: "PriorBox" prior_box_param { min_size: 6 img_h: 50 img_w: 70 step: 9 }': (
        [(6, 6)],
        {"image": (50, 70), "step": (9, 9)},
    ),
    'type: "PriorBox" prior_box_param { min_size: 6 step_h: 3 step_w: 5 offset: 0 }': (
        [(6, 6)],
        {"step": (3, 5), "offset": 0},
    ),
    # A ratio that comes again, or is 1, is left out; a flipped one is not looked for.
    """type: "PriorBox" prior_box_param { min_size: 4 min_size: 9 max_size: 16 max_size: 25.9
       aspect_ratio: 1 aspect_ratio: 2 aspect_ratio: 2 variance: 0.3 }""": (
        [
            *((4, 4), (8, 8), (4 * ROOT, 4 / ROOT), (4 / ROOT, 4 * ROOT)),
            *((9, 9), (15, 15), (9 * ROOT, 9 / ROOT), (9 / ROOT, 9 * ROOT)),
        ],
        {"variances": (0.3,) * 4},
    ),
    """type: "PriorBoxClustered" prior_box_param { width: 9.5 width: 3 height: 4 height: 30.25
       clip: true variance: 0.1 variance: 0.2 variance: 0.3 variance: 0.4 }""": (
        [(9.5, 4), (3, 30.25)],
        {"clip": True, "variances": (0.1, 0.2, 0.3, 0.4)},
    ),
}


def blobs(*shapes):
    return {name: np.zeros(shape, "float32") for name, shape in zip("ab", shapes, strict=True)}


@pytest.mark.parametrize("layer", FIELDS)
def test_priors(layer, tmp_path):
    boxes, settings = FIELDS[layer]
    fed = blobs((1, 2, 3, 4), (1, 3, 20, 33))
    model = built(tmp_path, layer, a=(1, 2, 3, 4), b=(1, 3, 20, 33))
    assert convert.load_network(tmp_path / "net.prototxt").outputs[0].shape == (
        1,
        2,
        3 * 4 * len(boxes) * 4,
    )
    wanted = priors(boxes, (3, 4), **{"image": (20, 33), **settings})
    assert_close(keras_fcn.blobs(model, fed)["y"], wanted, 1e-6)
    assert_survives(model, fed, tmp_path)
    # Any size of map and image, any number of images.
    other = keras_fcn.blobs(model, blobs((3, 2, 2, 5), (3, 3, 17, 40)))["y"]
    wanted = priors(boxes, (2, 5), **{"image": (17, 40), **settings})
    assert_close(other, wanted, 1e-6)


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("", "", "'min_size' is missing"),
        ("", "min_size: 0", "min_size"),
        ("", "min_size: 4 max_size: 4", "max_size: .* must be above"),
        ("", "min_size: 4 max_size: 5 max_size: 6", "max_size"),
        ("", "min_size: 4 aspect_ratio: 0", "aspect_ratio"),
        ("", "min_size: 4 variance: 1 variance: 2", "variance"),
        ("", "min_size: 4 variance: 0", "variance"),
        ("", "min_size: 4 img_size: 5 img_h: 3", "either 'img_size' or 'img_h' and 'img_w'"),
        ("", "min_size: 4 img_h: 3", "img_size"),
        ("", "min_size: 4 step: 0", "step"),
        ("Clustered", "width: 4", "'height' is missing"),
        ("Clustered", "width: 4 width: 5 height: 3", "as many"),
        ("Clustered", "width: 4 height: 0", "above 0"),
    ],
)
def test_wrong_priors(kind, fields, message, tmp_path):
    layer = f'type: "PriorBox{kind}" prior_box_param {{ {fields} }}'
    with pytest.raises(CaffeError, match=f"PriorBox.*{message}"):
        built(tmp_path, layer, a=(1, 2, 3, 4), b=(1, 3, 20, 33))


@pytest.mark.parametrize(
    ("shape", "order"),
    [((2, 3), (1, 0)), ((2, 3, 4), (0, 2, 1)), ((2, 3, 4, 5, 6), (0, 2, 1, 4, 3))],
)
def test_permute(shape, order, tmp_path):
    given = " ".join(f"order: {axis}" for axis in order)
    model = built(tmp_path, f'type: "Permute" permute_param {{ {given} }}', x=shape)
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    np.testing.assert_array_equal(keras_fcn.blobs(model, {"x": x})["y"], x.transpose(order))
    assert_survives(model, {"x": x}, tmp_path)


@pytest.mark.parametrize(("order", "message"), [((0, 0), "axis twice"), ((4,), "outside a blob")])
def test_wrong_order(order, message, tmp_path):
    given = " ".join(f"order: {axis}" for axis in order)
    with pytest.raises(CaffeError, match=f"order: .*{message}"):
        built(tmp_path, f'type: "Permute" permute_param {{ {given} }}', x=(1, 2, 3, 4))
    with pytest.raises(ValueError, match="each axis once"):
        CaffePermute(order)
