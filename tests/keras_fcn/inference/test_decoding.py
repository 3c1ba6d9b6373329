"""Named predictions."""

import numpy as np
import pytest

from keras_fcn.inference.decoding import decode_detections, decode_predictions

NAMES = ["ant", "bee", "cat", "dog"]


def test_best_first():
    preds = np.array([[0.1, 0.4, 0.2, 0.3], [0.7, 0.0, 0.1, 0.2]], np.float64)
    decoded = decode_predictions(preds, top=2, classes=NAMES)
    assert decoded == [[(1, "bee", 0.4), (3, "dog", 0.3)], [(0, "ant", 0.7), (3, "dog", 0.2)]]
    first = decoded[0][0]
    assert (first.class_index, first.name, first.score) == (1, "bee", 0.4)
    assert [type(value) for value in first] == [int, str, float]


def test_equal_scores_come_by_index():
    preds = np.array([[1, 3, 0] * 30], np.uint8)
    decoded = decode_predictions(preds, top=90, classes=["same"] * 90)
    found = [index for index, _, _ in decoded[0]]
    assert found == [*range(1, 90, 3), *range(0, 90, 3), *range(2, 90, 3)]


def test_more_than_there_are_gives_all():
    assert len(decode_predictions(np.zeros((1, 4)), top=9, classes=NAMES)[0]) == 4


def test_imagenet_names_by_default():
    preds = np.zeros((1, 1000))
    preds[0, 281] = 1
    assert decode_predictions(preds)[0][0] == (281, "tabby, tabby cat", 1.0)
    assert len(decode_predictions(preds)[0]) == 5


def test_no_samples():
    assert decode_predictions(np.zeros((0, 4)), classes=NAMES) == []


def test_a_map_gives_each_class_at_its_maximum():
    preds = np.random.default_rng(0).random((2, 3, 5, 4))
    for maps, decoded in zip(preds, decode_predictions(preds, classes=NAMES), strict=True):
        found = []
        for index, name in enumerate(NAMES):
            cells = [(maps[r, c, index], r, c) for r in range(3) for c in range(5)]
            found.append((index, name, *max(cells)))
        assert decoded == sorted(found, key=lambda prediction: -prediction[2])


def test_of_equal_cells_the_first_is_named():
    preds = np.zeros((1, 2, 3, 1))
    preds[0, 1, :2] = 0.5
    (prediction,) = decode_predictions(preds, classes=["ant"])[0]
    assert (prediction.score, prediction.row, prediction.column) == (0.5, 1, 0)


@pytest.mark.parametrize("shape", [(4,), (2, 3), (2, 3, 4), (1, 2, 2, 5), (1, 0, 2, 4)])
def test_other_shapes(shape):
    with pytest.raises(ValueError, match=r"\(N, 4\) or \(N, H, W, 4\)") as error:
        decode_predictions(np.zeros(shape), classes=NAMES)
    assert f"Received: preds of shape {shape}" in str(error.value)


def test_twenty_one_classes_without_names():
    with pytest.raises(ValueError, match=r"names of ImageNet.*\(1, 21\)"):
        decode_predictions(np.zeros((1, 21)))


def test_top_must_be_positive():
    with pytest.raises(ValueError, match="Received: 0"):
        decode_predictions(np.zeros((1, 4)), top=0, classes=NAMES)


ROWS = [[0, 1, 0.25, 0.0, 0.0, 0.5, 1.0], [0, 2, 0.75, 0.25, 0.5, 1.0, 1.0]]


def test_detections_have_boxes_in_pixels_best_first():
    best, other = decode_detections(ROWS, (20, 40), ("background", "cat", "dog"))
    assert best == (2, "dog", 0.75, 10.0, 10.0, 40.0, 20.0)
    assert other == (1, "cat", 0.25, 0.0, 0.0, 20.0, 20.0)
    assert decode_detections(ROWS, (20, 40))[0].name == "class 2"
    assert decode_detections(np.zeros((0, 7)), (20, 40)) == []
    with pytest.raises(ValueError, match=r"classes must name each class.*2 names.*class 2"):
        decode_detections(ROWS, (20, 40), ("background", "cat"))
