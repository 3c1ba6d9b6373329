"""Run lengths of COCO, against examples by hand and a decoder of its own."""

from __future__ import annotations

import numpy as np
import pytest

from keras_fcn.inference.coco import compressed, label_masks, run_lengths


def decoded(counts: str, size) -> np.ndarray:
    """A mask of its text, bit by bit as COCO's format has it."""
    lengths: list[int] = []
    value = shift = 0
    for character in counts:
        bits = ord(character) - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = shift = 0
    ones = [index % 2 for index, length in enumerate(lengths) for _ in range(length)]
    return np.array(ones, bool).reshape(size, order="F")


@pytest.mark.parametrize(
    ("mask", "lengths", "text"),
    [
        ([[0, 1, 1], [0, 0, 1]], [2, 1, 1, 2], "2111"),  # down the columns: 0 0, 1 0, 1 1
        ([[1, 1], [0, 1]], [0, 1, 1, 2], "0111"),  # zeros come first, though there are none
        ([[0, 0], [0, 0]], [4], "4"),
        ([[1]], [0, 1], "01"),
        (np.zeros((40, 50)), [2000], "`n1"),  # 2000 is 16, 30 and 1 times 32 ** 0, 1 and 2
    ],
)
def test_examples_by_hand(mask, lengths, text):
    assert run_lengths(np.array(mask)) == lengths
    assert compressed(lengths) == text


@pytest.mark.parametrize("size", [(1, 1), (7, 1), (1, 9), (13, 17), (200, 3)])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_masks_come_back(size, share):
    mask = np.random.default_rng(0).random(size) < share
    np.testing.assert_array_equal(decoded(compressed(run_lengths(mask)), size), mask)


def test_each_label_has_its_mask():
    labels = np.zeros((6, 8), np.uint8)
    labels[1:4, 2:7] = 3
    masks = label_masks(labels)
    assert list(masks) == [0, 3]
    assert masks[3]["bbox"] == [2, 1, 5, 3]
    assert masks[3]["area"] == 15
    for label, mask in masks.items():
        found = mask["segmentation"]
        np.testing.assert_array_equal(decoded(found["counts"], found["size"]), labels == label)


def test_as_pycocotools_does():
    tools = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    for seed in range(20):
        mask = np.random.default_rng(seed).random((31, 57)) < seed / 20
        wanted = tools.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert compressed(run_lengths(mask)) == wanted["counts"].decode()
