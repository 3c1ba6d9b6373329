"""Types of SegNet and SSD against the forks of Caffe that have them."""

from __future__ import annotations

import pytest

from tests.golden import LAYERS, LayerCase, each_case
from tests.keras_fcn.builder.cases import (
    assert_exported,
    assert_forward,
    assert_gradients,
    assert_reloaded,
)

FORKS = LAYERS.parent / "forks"
CASES = [LayerCase(folder) for folder in sorted(FORKS.iterdir())]
WITH_GRADIENTS = [case for case in CASES if case.has_gradients]


def test_the_cases_are_found():
    assert (len(CASES), len(WITH_GRADIENTS)) == (23, 10)


@each_case(CASES)
def test_forward(built_case):
    case, model = built_case
    assert_forward(model, case)


@pytest.mark.sweep(6)
@each_case(CASES)
def test_reloaded(built_case, tmp_path):
    case, model = built_case
    assert_reloaded(model, case, tmp_path)


@each_case(WITH_GRADIENTS)
def test_gradients(built_case):
    case, model = built_case
    assert_gradients(model, case)


@pytest.mark.slow
@each_case(CASES)
def test_saved_model(built_case, tmp_path):
    case, model = built_case
    assert_exported(model, case, tmp_path)
