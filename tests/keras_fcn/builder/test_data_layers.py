"""Training nets: data layers become inputs, their parameters stay readable."""

from __future__ import annotations

import numpy as np
import pytest

import convert
import keras_fcn

NET = """
layer {
  name: "data" type: "%s" top: "data" top: "label"
  %s
}
layer {
  name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } }
}
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
layer { name: "out" type: "HDF5Output" bottom: "fc" bottom: "label"
        hdf5_output_param { file_name: "out.h5" } }
"""
CASES = [
    (
        "Data",
        """data_param { source: "train_lmdb" batch_size: 64 backend: LMDB }
        transform_param { crop_size: 8 mean_value: 104 mean_value: 117 mean_value: 123 }""",
        (8, 8, 3),
    ),
    (
        "ImageData",
        'image_data_param { source: "list.txt" is_color: false } transform_param { crop_size: 5 }',
        (5, 5, 1),
    ),
    ("MemoryData", "memory_data_param { batch_size: 2 channels: 4 height: 6 width: 7 }", (6, 7, 4)),
]


def write(tmp_path, kind, params):
    (tmp_path / "train_val.prototxt").write_text(NET % (kind, params))
    return tmp_path / "train_val.prototxt"


@pytest.mark.parametrize(("kind", "params", "shape"), CASES)
def test_builds_and_trains(kind, params, shape, tmp_path):
    model = keras_fcn.from_caffe(write(tmp_path, kind, params), phase="TRAIN", seed=0)
    assert [tuple(tensor.shape[1:]) for tensor in model.inputs] == [shape, ()]
    images = np.random.default_rng(0).random((3, *shape), np.float32)
    loss = model([images, np.array([0.0, 1.0, 0.0], np.float32)])
    assert np.isfinite(np.asarray(loss)).all()


def test_parameters_can_be_read(tmp_path):
    network = convert.load_network(write(tmp_path, *CASES[0][:2]))
    fields = network.layer("data").params.fields
    assert fields["data_param"] == {"source": "train_lmdb", "batch_size": 64, "backend": "LMDB"}
    assert fields["transform_param"]["crop_size"] == 8


def test_unknown_channels_are_named(tmp_path):
    path = write(tmp_path, "Data", 'data_param { source: "x" } transform_param { crop_size: 8 }')
    with pytest.raises(convert.CaffeError, match=r"layer 'data' \(Data\).*how many channels"):
        keras_fcn.from_caffe(path)
