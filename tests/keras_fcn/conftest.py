"""What the rooms' tests share: a reference case with its model, built once."""

from __future__ import annotations

import pytest

from tests.golden import LayerCase
from tests.keras_fcn.layers.checks import restore, values_of

DOTTED = "names_odd"
"""A case whose layer has a dot in its name, which PyTorch refuses; see test_backends."""


@pytest.fixture(scope="session")
def _built_case(request):
    import keras

    import keras_fcn

    case: LayerCase = request.param
    if case.name == DOTTED and keras.backend.backend() == "torch":
        pytest.skip("PyTorch takes no dot in the name of a layer with weights")
    model = keras_fcn.from_caffe(case.prototxt, case.weights, **case.state)
    return case, model, values_of(model)


@pytest.fixture
def built_case(_built_case):
    """A layer case and its model, as from_caffe gives it, whatever tests have done with it."""
    case, model, values = _built_case
    restore(model, values)  # a pass may change statistics and states
    return case, model
