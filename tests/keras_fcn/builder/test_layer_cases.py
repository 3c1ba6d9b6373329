"""Every layer case whose types are built, against Caffe: forward, and saved and reloaded."""

from __future__ import annotations

from itertools import chain

import keras
import numpy as np
import pytest

import keras_fcn
from convert.layers import LAYER_TYPES, UnknownLayer
from convert.layers.data import DataLayer, Input
from keras_fcn.builder import BUILDERS
from tests.golden import assert_close, layer_case, layer_case_names

# What these cases need comes with later layer types.
_LATER = {
    "rank": ["conv_0d", "conv_1d", "conv_1d_dilation_group", "conv_3d", "conv_3d_group_dil"],
    "axis": [
        "conv_axis2",
        "conv_axis_neg3",
        "flatten_axis0",
        "flatten_axis0_end1",
        "flatten_axis2",
        "flatten_axis_end",
        "flatten_axis_neg",
        "flatten_empty_range",
        "flatten_noop",
        "ip_axis0",
        "ip_axis2",
        "ip_axis3_3d",
        "ip_axis_neg1",
        "grad_ip_axis2",
    ],
    "several bottoms": ["conv_two_bottoms"],
    "mask": ["pool_max_mask_top", "pool_max_ties"],
    "negative slope": ["relu_slope_negative"],
    "kernel larger than the input": ["conv_kernel_gt_input_strided"],
    "tops of Split that share memory": ["relu_inplace", "softmax_inplace"],
    "V0 files": ["legacy_v0_caffemodel", "legacy_v0_caffemodel_new_prototxt", "legacy_v0_net"],
    "shared parameters": [
        "params_shared",
        "params_shared_permissive",
        "params_shared_weight_only",
        "legacy_v1_shared_param",
    ],
}


def _buildable(name: str) -> bool:
    types = {LAYER_TYPES.get(kind, UnknownLayer) for kind in layer_case(name).case["layers"]}
    return all(kind in BUILDERS or kind in (Input, DataLayer) for kind in types)


CASES = [name for name in layer_case_names("*") if _buildable(name)]


def test_the_cases_are_found():
    assert len(CASES) > 80


def run(model, case):
    return keras_fcn.blobs(model, case.inputs)


@pytest.mark.parametrize("name", [name for name in CASES if name not in chain(*_LATER.values())])
def test_forward(name, tmp_path):
    case = layer_case(name)
    state = {key: case.case[key] for key in ("phase", "level", "stages") if key in case.case}
    model = keras_fcn.from_caffe(case.prototxt, case.weights, **state)
    blobs = run(model, case)
    for blob, expected in case.outputs.items():
        assert_close(blobs[blob], expected, 1e-5 if len(case.case["layers"]) == 1 else 1e-4)
    path = tmp_path / "net.keras"
    model.save(path)
    again = run(keras.models.load_model(path), case)
    for blob in case.outputs:
        np.testing.assert_array_equal(again[blob], blobs[blob])
