"""An SSD's training: images and boxes of a database into MultiBoxLoss."""

from __future__ import annotations

import numpy as np
import pytest

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.solver import Solver
from tests.keras_fcn.datasets.data_layers.test_annotated_data import annotated
from tests.keras_fcn.datasets.data_layers.test_data import write

NET = """
name: "ssd"
layer { name: "data" type: "AnnotatedData" top: "data" top: "label" include { phase: TRAIN }
  transform_param { mean_value: 104 mean_value: 117 mean_value: 123 scale: 0.01 mirror: true
    resize_param { prob: 1 resize_mode: WARP height: 32 width: 32 interp_mode: LINEAR }
    emit_constraint { emit_type: CENTER } expand_param { prob: 0.5 max_expand_ratio: 2 } }
  data_param { source: "db" batch_size: 3 backend: LMDB }
  annotated_data_param { label_map_file: "labelmap.prototxt"
    batch_sampler { max_sample: 1 max_trials: 1 }
    batch_sampler { sampler { min_scale: 0.6 max_scale: 1 }
      sample_constraint { min_jaccard_overlap: 0.1 } max_sample: 1 max_trials: 9 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 8 kernel_size: 8 stride: 8 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "loc" type: "Convolution" bottom: "conv" top: "loc"
  convolution_param { num_output: 4 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "loc_perm" type: "Permute" bottom: "loc" top: "loc_perm"
  permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "loc_flat" type: "Flatten" bottom: "loc_perm" top: "loc_flat" }
layer { name: "conf" type: "Convolution" bottom: "conv" top: "conf"
  convolution_param { num_output: 4 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "conf_perm" type: "Permute" bottom: "conf" top: "conf_perm"
  permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "conf_flat" type: "Flatten" bottom: "conf_perm" top: "conf_flat" }
layer { name: "prior" type: "PriorBox" bottom: "conv" bottom: "data" top: "prior"
  prior_box_param { min_size: 12 } }
layer { name: "mbox_loss" type: "MultiBoxLoss" bottom: "loc_flat" bottom: "conf_flat"
  bottom: "prior" bottom: "label" top: "mbox_loss"
  propagate_down: true propagate_down: true propagate_down: false propagate_down: false
  multibox_loss_param { loc_loss_type: SMOOTH_L1 conf_loss_type: SOFTMAX num_classes: 4
    overlap_threshold: 0.3 code_type: CENTER_SIZE } }
"""
SOLVER = """net: "net.prototxt"
base_lr: 0.02 lr_policy: "fixed" momentum: 0.9 max_iter: 60 random_seed: 1 average_loss: 10
snapshot_prefix: "snap"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    return write(tmp_path, [annotated(0), annotated(1, (2, 3)), annotated(2, ()), annotated(1)])


@pytest.mark.slow
def test_it_learns_and_goes_on(folder):
    with Solver("solver.prototxt", verbose=False) as solver:
        first = solver.step(10)
        state = solver.snapshot()
        last = solver.step(50)
        params = {name: [x.data.copy() for x in blobs] for name, blobs in solver.params.items()}
    assert 0 < last < 0.8 * first
    with Solver("solver.prototxt", snapshot=state, verbose=False) as resumed:
        resumed.step(50)
        for name, blobs in resumed.params.items():
            for blob, expected in zip(blobs, params[name], strict=True):
                np.testing.assert_array_equal(blob.data, expected)


def test_a_box_of_no_class_is_told(folder):
    write(folder, [annotated(0, (4,))], "other")
    (folder / "net.prototxt").write_text(NET.replace('"db"', '"other"'))
    told = r"'data'.*other: key '00000000'.*class 4.* no class of .*'mbox_loss'.*0 to 3, of which 0"
    with Solver("solver.prototxt", verbose=False) as solver, pytest.raises(CaffeError, match=told):
        solver.step(1)
