"""What SegNet's Caffe recorded, through onnxruntime."""

from __future__ import annotations

import pytest

from tests.golden import LAYERS, LayerCase, assert_close
from tests.keras_fcn.builder.cases import tolerance
from tests.keras_fcn.caffe.onnx.cases import of_case, run, written

CASES = [LayerCase(folder) for folder in sorted((LAYERS.parent / "forks").glob("segnet_*"))]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_forward(case: LayerCase):
    found = run(written(*of_case(case)), case.inputs)
    assert found.keys() == case.outputs.keys()
    for name, expected in case.outputs.items():
        assert_close(found[name], expected, tolerance(case))
