"""How two arrays are measured against each other."""

from __future__ import annotations

import numpy as np
import pytest

from keras_fcn.engines import differences
from keras_fcn.engines.differences import detections_apart, difference, paired


@pytest.fixture(params=[7, 1 << 22])
def chunk(request, monkeypatch):
    """Arrays are measured in parts; the parts' size is to make no difference."""
    monkeypatch.setattr(differences, "_CHUNK", request.param)


def test_figures(chunk):
    rng = np.random.default_rng(0)
    theirs = rng.normal(size=(3, 4, 5))
    ours = theirs.copy()
    ours[2, 1, 3] += 0.5
    found = difference(ours, theirs, 1e-3)
    scale = np.abs(theirs).max()
    assert found.scale == pytest.approx(scale)
    assert found.place == (2, 1, 3)
    assert found.largest == pytest.approx(0.5 / scale)
    assert found.rms == pytest.approx(np.sqrt(0.25 / 60) / scale)
    assert found.within == pytest.approx(59 / 60)
    assert found.spread == pytest.approx(theirs.std() / scale)
    cosine = (ours * theirs).sum() / np.linalg.norm(ours) / np.linalg.norm(theirs)
    assert found.cosine == pytest.approx(cosine)


def test_what_is_not_finite(chunk):
    values = np.array([1.0, np.nan, np.inf, -np.inf, 2.0])
    assert difference(values, values).largest == 0
    for index, other in [(1, 0.0), (2, -np.inf), (0, np.nan), (4, np.inf)]:
        changed = values.copy()
        changed[index] = other
        found = difference(changed, values)
        assert (found.largest, found.rms, found.not_finite) == (np.inf, np.inf, 1)
        assert found.place == (index,)
        assert not found.near


def test_zeros_and_nothing():
    zeros = np.zeros((2, 3), np.float32)
    assert difference(zeros, zeros).cosine == 1
    assert difference(zeros + 1, zeros).largest == 1
    assert difference(zeros + 1, zeros).cosine == 0
    assert difference(zeros[:0], zeros[:0]).within == 1


def test_opposite_blobs_are_not_near():
    values = np.random.default_rng(0).normal(size=1000)
    assert difference(-values, values).cosine == pytest.approx(-1)
    assert not difference(-values, values).near
    assert difference(values * (1 + 1e-6), values).near


def test_lists_of_detections():
    rows = np.array([[0, 1, 0.9, 0.1, 0.1, 0.5, 0.5], [0, 2, 0.8, 0.2, 0.2, 0.6, 0.6]])
    assert detections_apart(rows, rows[::-1]) == 0
    assert detections_apart(rows[:1], rows) == pytest.approx(1 / 3)
    moved = rows.copy()
    moved[:, 3] += 0.1
    assert detections_apart(moved, rows) == 1


def test_detections_that_are_not_finite():
    """Fillers' weights may make such; the same ones are alike, and no warning is given."""
    row = np.array([0, 1, 0.5, -np.inf, np.nan, 2, np.inf])
    assert detections_apart(row, row) == 0
    for index, other in [(3, np.inf), (4, 1.0), (5, 3.0), (6, 7.0), (2, np.nan)]:
        changed = row.copy()
        changed[index] = other
        assert detections_apart(changed, row) == 1


def test_likes_lie_beside_each_other():
    rng = np.random.default_rng(0)
    theirs = np.concatenate([np.tile([[0, 1]], (4, 1)), rng.uniform(size=(4, 5))], axis=1)
    ours = theirs[[2, 0, 1]] + [0, 0, 1e-4, 0, 0, 0, 0]
    found = paired(ours, theirs)
    assert found.apart == pytest.approx(1 / 7)
    assert np.abs(found.ours - found.theirs).max() == pytest.approx(1e-4)
    np.testing.assert_array_equal(found.theirs, theirs[[2, 0, 1]])
