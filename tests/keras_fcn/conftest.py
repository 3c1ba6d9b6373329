"""What the rooms' tests share: a reference case with its model, built once."""

from __future__ import annotations

import pytest

from tests.golden import LayerCase
from tests.keras_fcn.layers.checks import restore, values_of


@pytest.fixture(scope="session")
def _built_case(request):
    import keras_fcn

    case: LayerCase = request.param
    model = keras_fcn.from_caffe(case.prototxt, case.weights, **case.state)
    return case, model, values_of(model)


@pytest.fixture
def built_case(_built_case):
    """A layer case and its model, as from_caffe gives it, whatever tests have done with it."""
    case, model, values = _built_case
    restore(model, values)  # a pass may change statistics and states
    return case, model
