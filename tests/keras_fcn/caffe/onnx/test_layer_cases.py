"""Every layer case through onnxruntime against Caffe."""

from __future__ import annotations

import pytest

from tests.golden import LayerCase, assert_close, layer_case, layer_case_names
from tests.keras_fcn.builder.cases import tolerance
from tests.keras_fcn.caffe.onnx.cases import of_case, run, written

CASES = [layer_case(name) for name in layer_case_names("*")]
IN_PLACE_ON_INPUT = "_2"
"""An output whose blob is changed in place and is the input too has a name of its own."""


@pytest.mark.filterwarnings("ignore:.*begins at zero states")
@pytest.mark.sweep(3)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_forward(case: LayerCase):
    found = run(written(*of_case(case)), case.inputs)
    found = {name.removesuffix(IN_PLACE_ON_INPUT): array for name, array in found.items()}
    assert found.keys() == case.outputs.keys()
    for name, expected in case.outputs.items():
        assert_close(found[name], expected, tolerance(case))
