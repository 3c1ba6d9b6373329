from __future__ import annotations

import numpy as np
import pytest

from keras_fcn.caffe.errors import CaffeError, UnsupportedLayerError
from keras_fcn.datasets.data_layers import open_source
from tests.keras_fcn.datasets.data_layers.nets import batches, data_layer, same, source

TEXT = """type: "DummyData" top: "data" top: "label" dummy_data_param {
    shape { dim: 2 dim: 3 dim: 50 dim: 60 } shape { dim: 2 }
    data_filler { type: "gaussian" mean: 5 std: 2 } data_filler { value: 3 } }"""


def test_batches(tmp_path):
    with source(tmp_path, TEXT) as opened:
        assert opened.tops == ("data", "label")
        assert opened.shapes == {"data": (2, 3, 50, 60), "label": (2,)}
        first, second = batches(opened, 2)
    assert first["label"].tolist() == second["label"].tolist() == [3, 3]
    assert not np.array_equal(first["data"], second["data"])
    assert abs(first["data"].mean() - 5) < 0.1
    assert abs(first["data"].std() - 2) < 0.1
    assert first["data"].dtype == np.float32


def test_seed_and_state(tmp_path):
    with source(tmp_path, TEXT) as opened, source(tmp_path, TEXT) as other:
        assert same(batches(opened, 2), batches(other, 2))
        state = opened.state()
        expected = batches(opened, 2)
        opened.restore(state)
        assert same(batches(opened, 2), expected)
    with source(tmp_path, TEXT, seed=1) as opened:
        assert not same(opened.next(), expected[0])


def test_bad_layers(tmp_path):
    with pytest.raises(CaffeError, match=r"net.prototxt:1: layer 'data' .*'odd' is not one of"):
        source(tmp_path, TEXT.replace("gaussian", "odd"))
    with pytest.raises(UnsupportedLayerError, match="does not read this type of data layer"):
        source(tmp_path, 'type: "Input" top: "data" input_param { shape { dim: 1 } }')
    with pytest.raises(ValueError, match="phase must be"):
        open_source(data_layer(tmp_path, TEXT), "train", tmp_path)
