from __future__ import annotations

import numpy as np
import pytest

from keras_fcn.training import median_frequency_weights
from tests.keras_fcn.training.nets import shapes_data


def by_hand(masks):
    frequencies = []
    for index in range(4):
        around = sum(mask.size for mask in masks if (mask == index).any())
        frequencies.append(sum((mask == index).sum() for mask in masks) / around)
    return np.median(frequencies) / frequencies


def test_median_frequency_by_hand(data):
    train, _ = data
    expected = by_hand([mask for _, mask in train])
    np.testing.assert_allclose(median_frequency_weights(train), expected, rtol=1e-6)


def test_pairs_that_are_left_out_do_not_count(tmp_path):
    train, _ = shapes_data(tmp_path)
    expected = by_hand([mask for _, mask in train[1:]])
    (tmp_path / "masks" / "train_0000.png").write_bytes(b"no picture")
    for _ in range(2):
        with pytest.raises(ValueError, match=r"^pair train_0000: "):
            median_frequency_weights(train)
    found = median_frequency_weights(train, "skip")
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert list(train.bad_pairs) == ["train_0000"]
