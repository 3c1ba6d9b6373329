"""Boxes and parts over pictures: where they are drawn, in which colours."""

from __future__ import annotations

import numpy as np
import pytest

from keras_fcn.visualize import draw_boxes, draw_keypoints

GREY = np.full((120, 160, 3), 128, np.uint8)


def box(index, score, *corners, label="thing"):
    return {"label": label, "index": index, "score": score, "box": list(corners)}


def part(index, x, y):
    return {"label": f"part {index}", "index": index, "score": 0.5, "x": x, "y": y}


def changed(picture, image=GREY):
    return (picture != image).any(axis=-1)


def test_a_box_is_its_border_and_a_name_above():
    drawn = draw_boxes(GREY, [box(1, 0.9, 40, 50, 120, 100)])
    assert drawn.dtype == np.uint8
    assert drawn.shape == GREY.shape
    touched = changed(drawn)
    assert touched[50, 40:121].all()
    assert touched[100, 40:121].all()
    assert touched[50:101, 40].all()
    assert touched[50:101, 120].all()
    assert not touched[55:95, 45:115].any()
    assert not touched[103:].any()
    assert not touched[:, 123:].any()
    assert touched[30:50, 40:60].any()
    assert not touched[:30].any()


def test_classes_have_colours_and_names_are_told():
    corners = (40, 50, 120, 100)
    colours = {tuple(draw_boxes(GREY, [box(i, 0.9, *corners)])[100, 80]) for i in range(21)}
    assert len(colours) == 21
    assert all(max(colour) - min(colour) > 40 or max(colour) > 150 for colour in colours)
    names = [draw_boxes(GREY, [box(1, 0.9, *corners, label=x)]) for x in ("cat", "dog")]
    scores = [draw_boxes(GREY, [box(1, x, *corners)]) for x in (0.25, 0.75)]
    assert (names[0] != names[1]).any()
    assert (scores[0] != scores[1]).any()


def test_the_best_lies_on_top():
    found = [box(1, 0.9, 40, 50, 120, 100), box(2, 0.4, 40, 50, 120, 100)]
    drawn = draw_boxes(GREY, found)
    alone = draw_boxes(GREY, found[:1])
    np.testing.assert_array_equal(drawn[100, 40:120], alone[100, 40:120])


@pytest.mark.parametrize(
    "corners",
    [(-50, -50, 500, 500), (-1e9, 20, 1e9, 40), (150, 110, 400, 400), (0, 0, 159, 119)],
)
def test_boxes_beyond_the_picture_are_cut(corners):
    drawn = draw_boxes(GREY, [box(1, 0.9, *corners)])
    assert drawn.shape == GREY.shape
    assert changed(drawn).any()


@pytest.mark.parametrize("corners", [(50, 50, 20, 80), (np.nan, 0, 5, 5), (0, 0, np.inf, 5)])
def test_boxes_that_are_none_are_left_out(corners):
    assert not changed(draw_boxes(GREY, [box(1, 0.9, *corners)])).any()


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (40, 8)])
def test_small_and_grey_pictures(size):
    grey = np.full(size, 0.5)
    assert draw_boxes(grey, [box(1, 0.9, 0, 0, size[1], size[0])]).shape == (*size, 3)
    assert draw_keypoints(grey, [part(0, 0, 0)]).shape == (*size, 3)


def test_the_image_itself_stays():
    image = GREY.copy()
    draw_boxes(image, [box(1, 0.9, 0, 0, 50, 50)])
    draw_keypoints(image, [part(0, 40, 30)])
    np.testing.assert_array_equal(image, GREY)
    np.testing.assert_array_equal(draw_boxes(image, []), GREY)


def test_parts_are_dots_and_limbs_join_those_that_are_alone():
    ends = [part(0, 20, 60), part(1, 140, 60)]
    plain, joined = (draw_keypoints(GREY, ends, limbs) for limbs in ((), [(0, 1)]))
    assert changed(plain)[60, 20]
    assert changed(plain)[60, 140]
    assert not changed(plain)[60, 90]
    assert changed(joined)[60, 90]
    several = draw_keypoints(GREY, [*ends, part(1, 100, 20)], [(0, 1)])
    assert changed(several)[20, 100]
    assert not changed(several)[60, 90]
