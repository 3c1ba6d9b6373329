from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_fcn.training import CaffeSchedule
from tests.keras_fcn.training.solver_cases import SolverCase, solver_cases


@pytest.mark.parametrize("case", solver_cases("*"), ids=str)
def test_rates_are_those_that_caffe_used(case: SolverCase):
    schedule = CaffeSchedule(max_iter=10, **case.schedule)
    rates = [float(schedule(step)) for step in range(10)]
    np.testing.assert_allclose(rates, case.trajectory["lr"], rtol=5e-6)


def test_keras_knows_it_again():
    schedule = CaffeSchedule("multistep", 0.1, gamma=0.5, stepvalues=(2, 5))
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(schedule))
    assert [float(again(step)) for step in (1, 2, 5)] == pytest.approx([0.1, 0.05, 0.025])


def test_poly_ends_at_0_and_stays_there():
    schedule = CaffeSchedule("poly", 0.1, power=0.9, max_iter=10)
    assert float(schedule(10)) == float(schedule(12)) == 0


@pytest.mark.parametrize(
    ("policy", "message"), [("cosine", "one of"), ("step", "'gamma', 'stepsize'")]
)
def test_what_has_no_formula_is_refused(policy, message):
    with pytest.raises(ValueError, match=message):
        CaffeSchedule(policy, 0.1)
