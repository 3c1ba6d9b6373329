"""Peaks joined to persons, on maps drawn from skeletons."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.inference.keypoints import peaks
from keras_fcn.inference.parts import BODIES
from keras_fcn.inference.persons import persons_of
from keras_fcn.preprocessing import Preprocessing
from tests.keras_fcn.inference.test_keypoints import bump

ROWS, COLUMNS = 46, 60


def skeleton(body, seed, left):
    """Places (row, column) of a body's parts, some cells apart from each other."""
    random = np.random.default_rng(seed)
    grid = np.stack(np.mgrid[3:43:8, 0:25:5], -1).reshape(-1, 2)[: len(body.parts)]
    return grid + np.array([0, left]) + random.uniform(-0.4, 0.4, grid.shape)


def drawn(channels, people):
    """The maps that a perfect network gives for people."""
    body = BODIES[channels]
    maps = np.zeros((ROWS, COLUMNS, channels))
    down, across = np.mgrid[:ROWS, :COLUMNS]
    for places in people:
        for part, (row, column) in enumerate(places):
            hill = bump(ROWS, COLUMNS, row, column, 1.0)
            maps[..., part] = np.maximum(maps[..., part], hill)
        for limb in body.limbs:
            start, line = places[limb.start], places[limb.end] - places[limb.start]
            unit = line / np.linalg.norm(line)
            along = (down - start[0]) * unit[0] + (across - start[1]) * unit[1]
            beside = (down - start[0]) * unit[1] - (across - start[1]) * unit[0]
            near = (along > -1) & (along < np.linalg.norm(line) + 1) & (abs(beside) < 1.2)
            maps[near, limb.field] = unit[1]
            maps[near, limb.field + 1] = unit[0]
    return maps


@pytest.mark.parametrize("channels", [44, 57, 78])
def test_every_part_finds_its_person(channels):
    body = BODIES[channels]
    people = [skeleton(body, 0, 2), skeleton(body, 1, 32)]
    maps = drawn(channels, people)
    found = [peaks(maps[..., part], 0.3) for part in range(len(body.parts))]
    numbers = persons_of(found, maps, body.limbs)
    assert {x for each in numbers for x in each} == {0, 1}
    sides = {}
    for each, persons in zip(found, numbers, strict=True):
        assert sorted(persons) == [0, 1]
        for (_, _, column), person in zip(each, persons, strict=True):
            sides.setdefault(person, set()).add(column < 30)
    assert sorted(map(tuple, sides.values())) == [(False,), (True,)]


def test_fields_are_all_there_once():
    for channels in (44, 57, 78):
        body = BODIES[channels]
        fields = sorted(limb.field for limb in body.limbs)
        assert fields == list(range(len(body.parts) + 1, channels, 2))


def test_without_limbs_nobody_is_joined():
    body = BODIES[57]
    maps = drawn(57, [skeleton(body, 0, 2)])
    found = [peaks(maps[..., part], 0.3) for part in range(18)]
    turned = maps.copy()
    turned[..., 19:] *= -1  # every limb points the other way
    for other in (turned, np.zeros_like(maps)):
        assert persons_of(found, other, body.limbs) == [[None]] * 18


def test_keypoints_tell_persons():
    body = BODIES[57]
    maps = drawn(57, [skeleton(body, 0, 2), skeleton(body, 1, 32)]).astype("f4")
    image = keras.Input((ROWS, COLUMNS, 57))
    model = keras.Model(image, keras.layers.Concatenate()([image[..., :19], image[..., 19:]]))
    plain = Preprocessing(channels=57, mean=None, raw_scale=1)
    found = keras_fcn.keypoints(model, maps, preprocessing=plain)
    assert len(found) == 36
    assert {x["person"] for x in found if x["x"] < 30} in ({0}, {1})
    assert len({x["person"] for x in found}) == 2
