"""SSD's layers against SSD's Caffe, the two Normalize layers, nets that are for training."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.layers import Normalize
from tests.golden import assert_close
from tests.keras_fcn.builder.forks import assert_gradient, assert_survives, built, net


def unit(kind):
    def function(x):
        x = np.asarray(x, "float64")
        if kind == "L1":
            return x / (np.abs(x).sum(1, keepdims=True) + 1e-6)
        return x / np.sqrt((x * x).sum(1, keepdims=True) + 1e-6)

    return function


@pytest.mark.parametrize("shape", [(3, 4), (2, 4, 3, 5)])
@pytest.mark.parametrize("kind", ["L1", "L2"])
def test_normfaces_normalize(kind, shape, tmp_path):
    layer = f'type: "Normalize" normalize_param {{ normalize_type: "{kind}" }}'
    model = built(tmp_path, layer, x=shape)
    fed = {"x": np.random.default_rng(1).normal(size=shape).astype("float32")}
    assert_close(keras_fcn.blobs(model, fed)["y"], unit(kind)(fed["x"]))
    assert_gradient(model, unit(kind), fed, ["x"], tolerance=1e-3)
    assert_survives(model, fed, tmp_path)


@pytest.mark.parametrize(
    ("fields", "settings", "fork"),
    [
        ("norm_param { across_spatial: false }", {}, "ssd's, by its parameters"),
        ("normalize_param { }", {}, "normface's, by its parameters"),
        ("", {}, "taken for normface's; dialect='ssd' if not"),
        ("", {"shapes": {"l": [(4,)]}}, "ssd's, by its parameters or blobs"),
        ("", {"shapes": {"other": [(4,)]}}, "normface's, by its parameters or blobs"),
        ("norm_param { }", {"shapes": {}}, "ssd's, by its parameters"),
    ],
)
def test_forks_of_normalize_are_told_apart(fields, settings, fork, tmp_path):
    path = net(tmp_path, f'type: "Normalize" {fields}', x=(1, 4, 3, 3))
    assert fork in convert.load_network(path, **settings).notes[0]


def test_a_dialect_forces_normalize(tmp_path):
    path = net(tmp_path, 'type: "Normalize"', x=(1, 4, 3, 3))
    assert keras_fcn.from_caffe(path).get_layer("l").use_scale is False
    assert keras_fcn.from_caffe(path, dialect="ssd").get_layer("l").use_scale is True


def test_half_precision_has_no_overflow():
    layer = Normalize(channel_shared=False, across_spatial=False, dtype="mixed_float16")
    x = np.full((1, 2, 2, 4), 1000.0, "float16")  # its square is above half precision
    found = keras.ops.convert_to_numpy(layer(x))
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, 0.5, rtol=1e-3)


TRAINING = """
layer { name: "data" type: "AnnotatedData" top: "data" top: "label"
  transform_param { mean_value: 104 mean_value: 117 mean_value: 123
    resize_param { height: 300 width: 300 } emit_constraint { emit_type: CENTER } }
  data_param { source: "lmdb" batch_size: 8 }
  annotated_data_param { batch_sampler { max_sample: 1 } label_map_file: "map" } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 8 kernel_size: 3 stride: 60 } }
layer { name: "loc" type: "Flatten" bottom: "conv" top: "loc" }
layer { name: "prior" type: "PriorBox" bottom: "conv" bottom: "data" top: "prior"
  prior_box_param { min_size: 60 max_size: 90 } }
layer { name: "conf" type: "Slice" bottom: "conv" top: "conf" top: "rest" }
layer { name: "flat" type: "Flatten" bottom: "conf" top: "flat" }
layer { name: "silence" type: "Silence" bottom: "rest" }
layer { name: "loss" type: "MultiBoxLoss" bottom: "loc" bottom: "flat" bottom: "prior"
  bottom: "label" top: "loss"
  multibox_loss_param { loc_loss_type: SMOOTH_L1 num_classes: 2 } }
"""


@pytest.mark.filterwarnings("ignore::convert.CaffeWarning")
def test_training_nets_are_read(tmp_path):
    path = tmp_path / "train.prototxt"
    path.write_text(TRAINING)
    network = convert.load_network(path)
    assert [blob.shape for blob in network.inputs] == [(None, 3, 300, 300), (1, 1, None, 8)]
    assert network.layer("conv").weight_shapes == ((8, 3, 3, 3), (8,))
    truth = np.float32([[0, 1, 0, 0.1, 0.1, 0.4, 0.4, 0]])[None, :, :, None]
    loss = keras_fcn.from_caffe(path)([np.ones((2, 300, 300, 3), "float32"), truth])
    assert np.isfinite(loss)
    assert loss > 0
