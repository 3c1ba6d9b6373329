"""Every layer case whose types are built, against Caffe: forward, and saved and reloaded."""

from __future__ import annotations

import warnings

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
    "conv_0d": "rank",
    "conv_1d": "rank",
    "conv_1d_dilation_group": "rank",
    "conv_3d": "rank",
    "conv_3d_group_dil": "rank",
    "conv_axis2": "axis",
    "conv_two_bottoms": "bottoms",
    "flatten_axis0": "axis",
    "flatten_axis0_end1": "axis",
    "flatten_axis2": "axis",
    "flatten_axis_end": "axis",
    "flatten_empty_range": "axis",
    "ip_axis0": "axis",
    "ip_axis2": "axis",
    "ip_axis3_3d": "axis",
    "ip_axis_neg1": "axis",
    "grad_ip_axis2": "axis",
    "pool_max_mask_top": "mask",
}


def _buildable(name: str) -> bool:
    types = {LAYER_TYPES.get(kind, UnknownLayer) for kind in layer_case(name).case["layers"]}
    return all(kind in BUILDERS or kind in (Input, DataLayer) for kind in types)


CASES = [name for name in layer_case_names("*") if _buildable(name)]


def test_the_cases_are_found():
    assert len(CASES) > 80


def run(model, case):
    return keras_fcn.blobs(model, case.inputs)


@pytest.mark.parametrize("name", [name for name in CASES if name not in _LATER])
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
