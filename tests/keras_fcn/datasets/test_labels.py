from __future__ import annotations

import numpy as np
import pytest

from keras_fcn.datasets import LabelMap
from keras_fcn.visualize import voc_palette

CLASSES = ("back", "cat", "dog")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64])
@pytest.mark.parametrize(
    ("options", "numbers", "indices"),
    [
        ({}, [0, 1, 2, 255], [0, 1, 2, 255]),
        ({"void": (3, 7)}, [0, 3, 7, 2], [0, 255, 255, 2]),
        ({"ignore_index": 3}, [0, 3, 2], [0, 3, 2]),
        ({"reduce_zero_label": True}, [0, 1, 2, 3, 255], [255, 0, 1, 2, 255]),
        ({"reduce_zero_label": True, "void": (4,)}, [0, 1, 3, 4], [255, 0, 2, 255]),
        ({"lookup": {7: 1, 8: 2, 9: 255, 0: 0}}, [9, 8, 7, 0], [255, 2, 1, 0]),
    ],
)
def test_numbers(options, numbers, indices, dtype):
    result = LabelMap(classes=CLASSES, **options)(np.array([numbers], dtype), "m.png")
    assert result.dtype == np.uint8
    assert result.tolist() == [indices]


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
@pytest.mark.parametrize(
    ("options", "numbers", "message"),
    [
        ({}, [0, 3, 3, 4, 9], r"m\.png: labels 3\.\.4, 9 in 4 pixels; known are 0\.\.2, and 255"),
        ({"reduce_zero_label": True}, [4], r"labels 4 in 1 pixels; known are 1\.\.3"),
        ({"lookup": {7: 1, 255: 255}}, [7, 8, 0], r"labels 0, 8 in 2 pixels; known are 7, 255"),
        ({"ignore_index": 3}, [255], r"labels 255 .* and 3 is ignored"),
        ({"void": (11,)}, [11, 12], r"labels 12 in 1 pixels; known are 0\.\.2, 11"),
    ],
)
def test_numbers_that_are_no_class(options, numbers, message, dtype):
    with pytest.raises(ValueError, match=message):
        LabelMap(classes=CLASSES, **options)(np.array([numbers], dtype), "m.png")


def test_negative_numbers_are_no_class():
    with pytest.raises(ValueError, match="labels -1 in 1 pixels"):
        LabelMap(classes=CLASSES)(np.array([[0, -1]], np.int16), "m.npy")


COLOURS = {(0, 0, 0): 255, (10, 20, 30): 1, (30, 20, 10): 2, (255, 255, 255): 0}


def test_colours():
    mask = np.array([[(10, 20, 30), (255, 255, 255)], [(0, 0, 0), (30, 20, 10)]], np.uint8)
    result = LabelMap(classes=CLASSES, colours=COLOURS)(mask, "m.png")
    assert result.dtype == np.uint8
    assert result.tolist() == [[1, 0], [255, 2]]


def test_unknown_colours_are_named():
    mask = np.array([[(10, 20, 30), (1, 2, 3)], [(1, 2, 3), (250, 0, 7)]], np.uint8)
    message = r"m\.png: unknown colours .* in 3 pixels: \(1, 2, 3\), \(250, 0, 7\)$"
    with pytest.raises(ValueError, match=message):
        LabelMap(classes=CLASSES, colours=COLOURS)(mask, "m.png")


def test_colours_without_a_colour_map():
    with pytest.raises(
        ValueError, match=r"m\.png: a mask of colours.*--colours FILE, in `colours`"
    ):
        LabelMap(classes=CLASSES)(np.zeros((2, 2, 3), np.uint8), "m.png")


def test_many_classes():
    labels = LabelMap(classes=tuple(map(str, range(300))), ignore_index=65535)
    result = labels(np.array([[299, 65535]], np.uint16), "m.png")
    assert result.dtype == np.int32
    assert result.tolist() == [[299, 65535]]


def test_palette():
    assert LabelMap(classes=CLASSES).palette == tuple(map(tuple, voc_palette(3).tolist()))
    given = np.array([(1, 2, 3), (4, 5, 6), (7, 8, 9)])
    assert LabelMap(classes=CLASSES, palette=given).palette == ((1, 2, 3), (4, 5, 6), (7, 8, 9))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": ()}, "0 classes"),
        ({"palette": [(0, 0, 0)]}, "3 classes, 1 colours"),
        ({"ignore_index": 2}, r"above the class indices 0\.\.2. Received: 2"),
        ({"ignore_index": -1}, "Received: -1"),
        ({"lookup": {1: 3}}, r"lead to class indices 0\.\.2 or 255. Received: 3"),
        ({"colours": {(0, 0, 0): 9}}, "Received: 9"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        LabelMap(**{"classes": CLASSES} | options)
