"""Every layer case against Caffe: forward, gradients, saved, exported; what its outputs see."""

from __future__ import annotations

import pytest

from keras_fcn.caffe.net.fields import output_field as field_of_network
from keras_fcn.core.definition import defined_network
from keras_fcn.graph.receptive_fields import output_field
from tests.golden import each_case, layer_case, layer_case_names
from tests.keras_fcn.builder.cases import (
    assert_exported,
    assert_forward,
    assert_gradients,
    assert_reloaded,
)
from tests.thorough import THOROUGH

# Caffe fills in silence what a weights file lacks; we warn.
pytestmark = pytest.mark.filterwarnings("ignore:.*has no weights for:convert.CaffeWarning")

CASES = [layer_case(name) for name in layer_case_names("*")]
FIRST = list({case.kinds: case for case in reversed(CASES)}.values())
"""One case of each set of layer types; test_saved_model traces them all."""
WITH_GRADIENTS = [case for case in CASES if case.has_gradients]


def test_the_cases_are_found():
    assert (len(CASES), len(WITH_GRADIENTS), len(FIRST)) == (572, 89, 111)


@pytest.mark.sweep(3)
@each_case(CASES)
def test_forward(built_case):
    case, model = built_case
    assert_forward(model, case)


@pytest.mark.sweep(3)
@each_case(CASES)
def test_receptive_field(built_case):
    _, model = built_case
    assert field_of_network(defined_network(model)) == output_field(model)


@pytest.mark.sweep(12)
@each_case(CASES)
def test_reloaded(built_case, tmp_path):
    case, model = built_case
    assert_reloaded(model, case, tmp_path, compiled=THOROUGH or case in FIRST)


@pytest.mark.sweep(2)
@each_case(WITH_GRADIENTS)
def test_gradients(built_case):
    case, model = built_case
    assert_gradients(model, case)


@pytest.mark.slow
@each_case(CASES)
def test_saved_model(built_case, tmp_path):
    case, model = built_case
    assert_exported(model, case, tmp_path)
