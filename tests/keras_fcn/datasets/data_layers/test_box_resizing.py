"""Sizes and boxes of SSD's resize modes."""

from __future__ import annotations

import numpy as np
import pytest

from keras_fcn.caffe.definition import Fields
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.datasets.data_layers.box_resizing import BoxResizing

RANDOM = np.random.default_rng(0)
LARGE, SMALL = "FIT_LARGE_SIZE_AND_PAD", "FIT_SMALL_SIZE"


def resized(image, mode, **fields):
    resizing = BoxResizing(Fields(resize_mode=mode, **fields), "layer 'data'")
    return resizing.image(image, np.random.default_rng(0), "image 0")


@pytest.mark.parametrize(
    ("size", "small"),
    [((100, 200), (60, 120)), ((200, 100), (180, 90)), ((60, 90), (60, 90)), ((61, 90), (61, 90))],
)
def test_sizes(size, small):
    image = np.full((*size, 3), 7, np.uint8)
    wanted = {"WARP": (60, 90), LARGE: (60, 90), SMALL: small}
    for mode, shape in wanted.items():
        assert resized(image, mode, height=60, width=90).shape == (*shape, 3)


@pytest.mark.parametrize(
    ("fields", "around"),
    [
        ({}, 0),
        ({"pad_value": (3.6,)}, 4),
        ({"pad_value": (1, 2, 300)}, (1, 2, 255)),
        ({"pad_mode": "REPEAT_NEAREST"}, None),
        ({"pad_mode": "MIRRORED"}, None),
    ],
)
@pytest.mark.parametrize("size", [(20, 50), (50, 20)])
def test_what_is_missing_is_padded(size, fields, around):
    image = RANDOM.integers(0, 256, (*size, 3)).astype(np.uint8)
    found = resized(image, LARGE, height=50, width=50, **fields)
    inside = np.s_[15:35] if size[0] == 20 else np.s_[:, 15:35]
    np.testing.assert_array_equal(found[inside], image)
    if around is not None:
        found[inside] = around
        np.testing.assert_array_equal(found, np.broadcast_to(np.uint8(around), found.shape))
        return
    before, first = (found[14], image[0]) if size[0] == 20 else (found[:, 14], image[:, 0])
    second = image[1] if size[0] == 20 else image[:, 1]
    np.testing.assert_array_equal(before, second if fields["pad_mode"] == "MIRRORED" else first)


def test_boxes_are_in_parts_of_what_is_padded():
    box = np.float32([[0, 0, 1, 1], [0.25, 0.5, 0.5, 1]])
    large = BoxResizing(Fields(resize_mode=LARGE, height=50, width=50), "")
    wanted = [[0, 0.25, 1, 0.75], [0.25, 0.5, 0.5, 0.75]]
    np.testing.assert_allclose(large.boxes(box, (100, 200)), wanted, atol=1e-7)
    wanted = [[0.25, 0, 0.75, 1], [0.375, 0.5, 0.5, 1]]
    np.testing.assert_allclose(large.boxes(box, (200, 100)), wanted, atol=1e-7)
    for mode in "WARP", SMALL:
        other = BoxResizing(Fields(resize_mode=mode, height=50, width=50), "")
        np.testing.assert_array_equal(other.boxes(box, (100, 200)), box)


def test_an_image_of_which_nothing_is_left():
    with pytest.raises(CaffeError, match=r"image 0 of \(1, 300\) .* resized to \(0, 50\)"):
        resized(np.zeros((1, 300, 3), np.uint8), LARGE, height=50, width=50)
