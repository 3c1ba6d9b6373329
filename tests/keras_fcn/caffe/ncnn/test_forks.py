"""Layers of forks in ncnn against the Keras model of the same file."""

from __future__ import annotations

import pytest

from keras_fcn.caffe.net.assembly import load_network
from tests.keras_fcn.builder.forks import net
from tests.keras_fcn.caffe.ncnn.cases import run, why_not, written
from tests.keras_fcn.caffe.onnx.map_cases import MAPS
from tests.keras_fcn.caffe.onnx.test_forks import assert_same, filled

REFUSED = {
    "segnet_bn_learn": "LEARN",
    "segnet_bn_statistics": "LEARN",
    "stochastic": "STOCHASTIC",
    "stochastic_global": "STOCHASTIC",
    **{
        name: "no such operator"
        for name in MAPS
        if name.startswith(("resample", "resize", "flow_warp", "accum", "correlation"))
    },
}
"""Case -> a word of the reason; all others are written."""


@pytest.mark.sweep(4)
@pytest.mark.parametrize("name", MAPS)
def test_maps(name, tmp_path):
    case = MAPS[name]
    why = why_not(load_network(net(tmp_path, case.layer, **case.declared)))
    if name in REFUSED:
        assert REFUSED[name] in str(why)
        return
    assert why is None
    pytest.importorskip("ncnn")
    how = {"least": 0.1 if "bn" in name else -1.0, "write": written, "run": run}
    assert_same(tmp_path, case.layer, case.declared, filled(case.more_images()), **how)
    if case.other is not None:
        assert_same(tmp_path, case.layer, case.declared, filled(case.other_maps()), **how)
