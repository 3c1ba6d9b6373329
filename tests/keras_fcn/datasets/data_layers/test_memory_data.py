from __future__ import annotations

import numpy as np
import pytest

from keras_fcn.caffe.errors import CaffeError, CaffeWarning
from tests.keras_fcn.datasets.data_layers.nets import batches, same, source

TEXT = """type: "MemoryData" top: "data" top: "label"
    memory_data_param { batch_size: 2 channels: 3 height: 4 width: 5 }"""
DATA = np.random.default_rng(0).normal(size=(6, 3, 4, 5))


@pytest.mark.parametrize("shape", [(6,), (6, 1, 1, 1)])
def test_batches_from_the_first_on_again(tmp_path, shape):
    with source(tmp_path, TEXT) as opened:
        assert opened.shapes == {"data": (2, 3, 4, 5), "label": (2,)}
        opened.feed(DATA, np.arange(6).reshape(shape))
        found = batches(opened, 4)
        assert [batch["label"].tolist() for batch in found] == [[0, 1], [2, 3], [4, 5], [0, 1]]
        np.testing.assert_array_equal(found[1]["data"], DATA[2:4].astype(np.float32))
        found[3]["data"][:] = 0
        opened.feed(DATA[2:], [2, 3, 4, 5])
        assert opened.next()["label"].tolist() == [2, 3]


def test_states(tmp_path):
    with source(tmp_path, TEXT) as opened:
        opened.feed(DATA, np.arange(6))
        opened.next()
        state = opened.state()
        expected = batches(opened, 3)
        opened.restore(state)
        assert same(batches(opened, 3), expected)


@pytest.mark.parametrize(
    ("data", "labels"),
    [
        (DATA[:5], range(5)),
        (DATA[:0], []),
        (DATA[:, :2], range(6)),
        (DATA, range(4)),
        (DATA, np.zeros((6, 2))),
        (DATA, np.zeros((2, 3))),
        (0, 0),
    ],
)
def test_arrays_that_do_not_fit(tmp_path, data, labels):
    with source(tmp_path, TEXT) as opened:
        with pytest.raises(ValueError, match=r"takes data of 2 \* n images \(3, 4, 5\) and one"):
            opened.feed(data, labels)
        with pytest.raises(CaffeError, match=r"nothing was fed; call feed\(data, labels\)"):
            opened.next()


def test_what_the_layer_says(tmp_path):
    with pytest.raises(CaffeError, match="needs batch_size, channels, height, width"):
        source(tmp_path, TEXT.replace("width: 5", ""))
    with source(tmp_path, TEXT + " transform_param { scale: 2 }") as opened:
        with pytest.warns(CaffeWarning, match="is for none of these arrays"):
            opened.feed(DATA, range(6))
        np.testing.assert_array_equal(opened.next()["data"], DATA[:2].astype(np.float32))
