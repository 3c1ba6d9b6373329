"""Updates against those of Caffe's solvers, with the factors of the prototxt."""

from __future__ import annotations

import keras
import pytest
from keras import ops

import keras_fcn
from keras_fcn.to_caffe.definition import from_definition
from keras_fcn.training import TrainingConfig, networks
from keras_fcn.training.caffe_optimizer import CaffeOptimizer
from keras_fcn.training.runtime.choice import find_runtime
from keras_fcn.training.runtime.interface import Part
from keras_fcn.training.solver import Solver, make_optimizer
from tests.golden import assert_close
from tests.keras_fcn.solver.cases import Run, runs

# Adam divides by the root of tiny squares: float32 shows there.
_TOLERANCE = {"fcn_adam": 5e-5}


def config_of(case: Run) -> TrainingConfig:
    policy = dict(case.schedule)
    return TrainingConfig(
        lr_policy=policy.pop("policy"),
        learning_rate=policy.pop("base_lr"),
        momentum=case.number("momentum") or 0.0,
        nesterov=case.fields.get("type") == ["Nesterov"],
        weight_decay=case.number("weight_decay"),
        regularization=case.fields.get("regularization_type", ["L2"])[0],
        clip_gradients=case.number("clip_gradients"),
        iter_size=int(case.number("iter_size") or 1),
        **policy,
    )


def optimizer_of(case: Run) -> keras.optimizers.Optimizer:
    rate, momentum, delta = (case.number(name) for name in ("base_lr", "momentum", "delta"))
    match case.fields.get("type", ["SGD"]):
        case ["Adam"]:
            return keras.optimizers.Adam(rate, momentum, case.number("momentum2"), epsilon=delta)
        case ["AdaDelta"]:
            return keras.optimizers.Adadelta(rate, momentum, epsilon=delta)
        case [("AdaGrad" | "RMSProp") as kind]:
            decay = case.number("rms_decay") or 0.99
            return CaffeOptimizer(kind, rate, delta=delta or 1e-8, rms_decay=decay)
        case _:
            return make_optimizer(config_of(case), 10)


# The other cases differ in their rates, which the schedules' tests compare.
_CASES = (
    "bn_sgd fcn_ada* fcn_rmsprop fcn_nesterov fcn_sgd_clip* fcn_sgd_iter_size2 fcn_sgd_l1 "
    "fcn_unnorm_sgd"
)


@pytest.mark.sweep(4)
@pytest.mark.parametrize("case", [c for p in _CASES.split() for c in runs("training", p)], ids=str)
def test_ten_iterations_are_caffes(case: Run):
    model = keras_fcn.from_caffe(
        case.net / "net.prototxt", case.net / "init.caffemodel", phase="TRAIN"
    )
    config = config_of(case)
    trained, factors = networks.parameters(model), networks.caffe_multipliers(model)
    solver = Solver(
        optimizer_of(case),
        list(trained.values()),
        [factors.get(name, networks.Multipliers()) for name in trained],
        weight_decay=config.weight_decay,
        regularization=config.regularization,
        clip_gradients=config.clip_gradients,
        iter_size=config.iter_size,
    )
    step = find_runtime().train_step(
        lambda images, labels: [Part(model([images, labels], training=True), 1.0)], solver, model
    )
    batches = iter(case.batches)
    for iteration in range(10):
        rate = solver.learning_rate
        assert rate == pytest.approx(case.trajectory["lr"][iteration], rel=5e-6)
        loss = step([next(batches) for _ in range(config.iter_size)])
        assert loss == pytest.approx(case.trajectory["solver_loss"][iteration], rel=2e-5)
    blobs = from_definition(model).params
    for key, expected in case.trajectory.items():
        if key.startswith("iter_10/"):
            _, layer, index = key.split("/")
            actual = blobs[layer][int(index)].reshape(expected.shape)
            assert_close(actual, expected, _TOLERANCE.get(str(case), 1e-5))


@pytest.mark.parametrize("kind", ["AdaGrad", "RMSProp", "AdaDelta"])
def test_these_named_optimizers_are_caffes(kind):
    optimizer = make_optimizer(TrainingConfig(optimizer=kind.lower(), momentum=0.95), 10)
    assert isinstance(optimizer, CaffeOptimizer)
    assert (optimizer.kind, optimizer.constants.momentum) == (kind, 0.95)
    assert isinstance(optimizer.get_config()["learning_rate"], dict)  # the policy's


def test_a_named_optimizer_follows_the_policy():
    optimizer = make_optimizer(TrainingConfig(optimizer="adamw", learning_rate=0.5), 10)
    assert isinstance(optimizer, keras.optimizers.AdamW)
    assert float(optimizer.learning_rate) == 0.5
    optimizer.iterations.assign(5)
    assert float(optimizer.learning_rate) == 0.25


def test_half_precision_scales_the_loss_and_clips_what_it_was():
    variable = keras.Variable([0.0, 0.0])
    config = TrainingConfig(
        mixed_precision="mixed_float16", learning_rate=1.0, lr_policy="fixed", momentum=0.0
    )
    solver = Solver(
        make_optimizer(config, 1), [variable], [networks.Multipliers()], clip_gradients=1.0
    )
    scaled = solver.scaled(ops.convert_to_tensor([3.0, 4.0]))
    assert float(scaled[0]) > 1000
    solver.apply([scaled])
    assert_close(ops.convert_to_numpy(variable), [-0.6, -0.8])
    solver.apply([ops.convert_to_tensor([float("inf"), 0.0])])
    assert_close(ops.convert_to_numpy(variable), [-0.6, -0.8])
