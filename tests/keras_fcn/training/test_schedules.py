from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_fcn.training import CaffeSchedule, TrainingConfig, WarmUp
from keras_fcn.training.schedules import POLICIES
from keras_fcn.training.solver import make_optimizer
from tests.keras_fcn.solver.cases import Run, runs


@pytest.mark.parametrize("case", runs("training"), ids=str)
def test_rates_are_those_that_caffe_used(case: Run):
    schedule = CaffeSchedule(max_iter=10, **case.schedule)
    rates = [float(schedule(step)) for step in range(10)]
    np.testing.assert_allclose(rates, case.trajectory["lr"], rtol=5e-6)


def test_keras_knows_it_again():
    schedule = CaffeSchedule("multistep", 0.1, gamma=0.5, stepvalues=(2, 5))
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(schedule))
    assert [float(again(step)) for step in (1, 2, 5)] == pytest.approx([0.1, 0.05, 0.025])


def test_multistep_makes_one_step_an_iteration():
    values = (2, 2, 2, 7, 3)
    schedule = CaffeSchedule("multistep", 1.0, gamma=0.5, stepvalues=values)
    made, wanted = 0, []
    for iteration in range(10):  # `GetLearningRate` of Caffe
        made += made < len(values) and iteration >= values[made]
        wanted.append(0.5**made)
    assert [float(schedule(step)) for step in range(10)] == wanted


def test_sigmoid_takes_a_stepsize_of_0():
    schedule = CaffeSchedule("sigmoid", 0.1, gamma=-0.5, stepsize=0)
    assert float(schedule(2)) == pytest.approx(0.1 / (1 + np.exp(1.0)))
    with pytest.raises(ValueError, match=r"needs .*stepsize"):
        CaffeSchedule("step", 0.1, gamma=0.5, stepsize=0)


def test_poly_ends_at_0_and_stays_there():
    schedule = CaffeSchedule("poly", 0.1, power=0.9, max_iter=10)
    assert float(schedule(10)) == float(schedule(12)) == 0


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("start", [0.0, 0.02])
def test_a_warm_up_rises_to_the_policy(policy, start):
    options = {"gamma": 0.5, "power": 0.9, "stepsize": 3, "stepvalues": (2, 6)}
    config = TrainingConfig(
        lr_policy=policy, learning_rate=0.1, warmup=4, warmup_learning_rate=start, **options
    )
    rate = make_optimizer(config, 10)._learning_rate
    plain = CaffeSchedule(policy, 0.1, max_iter=10, **options)
    rates, wanted = ([float(x(step)) for step in range(11)] for x in (rate, plain))
    assert rates[4:] == pytest.approx(wanted[4:], rel=1e-6)
    rise = [start + (wanted[4] - start) * step / 4 for step in range(4)]
    assert rates[:4] == pytest.approx(rise, rel=1e-6)
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(rate))
    assert [float(again(step)) for step in range(11)] == rates


def test_poly_after_a_warm_up_by_hand():
    config = TrainingConfig(learning_rate=0.1, power=1.0, warmup=2)
    optimizer = make_optimizer(config, 10)
    variable = keras.Variable(np.zeros(2))
    optimizer.build([variable])
    rates = []
    for _ in range(10):
        rates.append(float(optimizer.learning_rate))
        optimizer.apply([keras.ops.ones(2)], [variable])
    assert rates == pytest.approx([0, 0.04, *(0.1 * (1 - t / 10) for t in range(2, 10))])
    # Longer runs are as if they had been that long from the beginning.
    longer = make_optimizer(config, 20)._learning_rate
    assert [float(longer(step)) for step in (1, 2, 10)] == pytest.approx([0.045, 0.09, 0.05])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"warmup": 10}, r"`warmup` must be below the 10 updates of the run\. Received: 10"),
        ({"warmup": -1}, "`warmup` must be at least 0"),
        ({"warmup_learning_rate": 0.1}, "`warmup_learning_rate` needs `warmup`"),
        ({"warmup": 2, "optimizer": {"class_name": "SGD"}}, "a rate of its own"),
    ],
)
def test_warm_ups_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        make_optimizer(TrainingConfig(**options), 10)
    with pytest.raises(ValueError, match="`updates` must be at least 1"):
        WarmUp(CaffeSchedule("fixed", 0.1), 0)


@pytest.mark.parametrize(
    ("policy", "message"), [("cosine", "one of"), ("step", "gamma and stepsize")]
)
def test_what_has_no_formula_is_refused(policy, message):
    with pytest.raises(ValueError, match=message):
        CaffeSchedule(policy, 0.1)
