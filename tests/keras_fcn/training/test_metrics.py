from __future__ import annotations

import json
import math

import numpy as np
import pytest

from keras_fcn.training import SegmentationMetrics, SegmentationResult, confusion_matrix


def test_confusion_counts_pairs_and_leaves_out_ignored_pixels():
    labels = np.array([[0, 0, 1], [2, 255, 1]], np.uint8)
    predictions = np.array([[0, 1, 1], [2, 77, 0]])
    expected = [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    np.testing.assert_array_equal(confusion_matrix(labels, predictions, 3), expected)


@pytest.mark.parametrize(
    ("labels", "predictions", "message"),
    [([0], [0, 1], "one shape"), ([3], [0], "labels from 3"), ([0], [-1], "predictions from -1")],
)
def test_what_is_no_class_is_refused(labels, predictions, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(labels, predictions, 3)


def test_figures_against_a_count_by_hand():
    # class: labels 4, 2, 0, 0; predictions 3, 2, 1, 0
    result = SegmentationResult(
        tuple("abcd"), np.array([[3, 0, 1, 0], [0, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    )
    np.testing.assert_allclose(result.iou, [3 / 4, 1, 0, math.nan])
    np.testing.assert_allclose(result.class_accuracy, [3 / 4, 1, math.nan, math.nan])
    assert result.mean_iou == pytest.approx((0.75 + 1 + 0) / 3)
    assert result.mean_class_accuracy == pytest.approx(0.875)
    assert result.pixel_accuracy == pytest.approx(5 / 6)
    assert result.frequency_weighted_iou == pytest.approx((0.75 * 4 + 2) / 6)


def test_an_absent_class_is_null_in_json_and_a_dash_in_the_table():
    metrics = SegmentationMetrics(("sky", "road", "car"))
    metrics.update([[0, 0, 1]], [[0, 1, 1]])
    result = metrics.result()
    values = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert [row["iou"] for row in values["classes"]] == [0.5, 0.5, None]
    assert SegmentationResult.from_dict(values).mean_iou == result.mean_iou == 0.5
    assert str(result).splitlines()[3].split() == ["car", "-", "-", "0"]


def test_without_pixels_there_are_no_figures():
    result = SegmentationMetrics(("sky",)).result()
    assert all(math.isnan(value) for value in result.summary().values())
    assert result.to_dict()["mean_iou"] is None


def test_batches_add_up_and_a_result_stays_as_it_is():
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 3, (2, 4, 5, 6))
    parts = SegmentationMetrics(tuple("abc"))
    parts.update(labels[0], predictions[0])
    before = parts.result()
    for one, other in zip(labels[1:], predictions[1:], strict=True):
        parts.update(one, other)
    np.testing.assert_array_equal(
        parts.result().confusion, confusion_matrix(labels, predictions, 3)
    )
    assert before.confusion.sum() == 30
