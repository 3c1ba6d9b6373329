"""Arrays that a net's MemoryData layer feeds."""

from __future__ import annotations

import numpy as np
import pytest

from tests.keras_fcn.pycaffe.nets import CLASSIFIER, net_of, numbers

MEMORY = """
layer { name: "memory" type: "MemoryData" top: "data" top: "label"
  memory_data_param { batch_size: 2 channels: 3 height: 2 width: 1 } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""


@pytest.mark.parametrize("labels", [(6,), (6, 1, 1, 1)])
def test_each_pass_takes_the_next_batch(labels, tmp_path):
    net = net_of(MEMORY, tmp_path)
    data, label = numbers(6, 3, 2, 1), np.array([0, 3, 2, 1, 1, 0], np.float32)
    net.set_input_arrays(data, label.reshape(labels))
    for start in (0, 2, 4, 0):
        net.forward()
        np.testing.assert_array_equal(net.blobs["data"].data, data[start : start + 2])
        np.testing.assert_array_equal(net.blobs["label"].data, label[start : start + 2])
        scores = data[start : start + 2].reshape(2, 6) @ net.params["fc"][0].data.T
        np.testing.assert_allclose(net.blobs["fc"].data, scores, rtol=1e-5)
    net.forward(start="fc")
    np.testing.assert_array_equal(net.blobs["data"].data, data[:2])
    net.forward(data=data[4:], label=label[4:])
    np.testing.assert_array_equal(net.blobs["data"].data, data[4:])


@pytest.mark.parametrize(
    ("data", "labels"), [((5, 3, 2, 1), (5,)), ((4, 3, 1, 2), (4,)), ((4, 3, 2, 1), (4, 2))]
)
def test_arrays_that_do_not_fit(data, labels, tmp_path):
    with pytest.raises(ValueError, match=r"2 \* n images \(3, 2, 1\) and one label"):
        net_of(MEMORY, tmp_path).set_input_arrays(np.zeros(data), np.zeros(labels))


def test_another_first_layer(tmp_path):
    with pytest.raises(ValueError, match=r"first layer is MemoryData.*'data' \(Input\)"):
        net_of(CLASSIFIER, tmp_path).set_input_arrays(np.zeros((2, 3, 8, 8)), np.zeros(2))
