"""What is said of two lists of detections."""

from __future__ import annotations

import numpy as np

from keras_fcn.verifying.detections import of_detections
from keras_fcn.verifying.report import BlobResult, ParityReport

_OURS = BlobResult("detection_out", "detection_out", "DetectionOutput", (1, 1, 40, 7))


def _lists():
    rng = np.random.default_rng(0)
    rows = np.concatenate([np.tile([[0, 1]], (40, 1)), rng.uniform(size=(40, 5))], axis=1)
    return rows.reshape(1, 1, 40, 7).astype(np.float32)


def test_numbers_are_those_of_the_likes():
    theirs = _lists()
    ours = theirs.copy()
    ours[0, 0, 3, 2] += 1e-4
    ours[0, 0, 7, 3:] += 5
    result = of_detections(_OURS, ours, theirs)
    assert (result.verdict, result.ties) == ("ties", 1 / 40)
    assert 0.9e-4 < result.largest < 1.1e-4
    assert 0 < result.rms < result.largest
    other = BlobResult("conv", "conv", "Convolution", (1,), largest=2e-3, verdict="rounding")
    report = ParityReport("net", (other, result), "a dump")
    assert report.verdict.endswith("2.0e-03 ('conv'), ties in 2.50% of 'detection_out'")


def test_lists_without_likes():
    theirs = _lists()
    ours = theirs + np.float32([0, 0, 5, 5, 5, 5, 5])
    result = of_detections(_OURS, ours, theirs)
    assert (result.verdict, result.largest, result.cosine) == ("differs", np.inf, 0)


def test_nan_on_both_sides_is_told():
    theirs = _lists()
    theirs[0, 0, :4, 3:] = np.nan
    result = of_detections(_OURS, theirs.copy(), theirs)
    assert result.verdict == "same"
    assert result.nan == 16 / theirs.size
    assert "NaN in 16 of 280 entries on both sides" in result.note
