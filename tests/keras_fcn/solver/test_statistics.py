"""Layers with a state that no output needs, statistics of test nets, parameters that are shared."""

from __future__ import annotations

import numpy as np
import pytest

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.solver import Solver

NET = """
name: "tiny"
layer {{ name: "data" type: "Input" top: "data" top: "label"
  input_param {{ shape {{ dim: 4 dim: 3 }} shape {{ dim: 4 }} }} }}
{middle}
layer {{ name: "fc" type: "InnerProduct" bottom: "data" top: "fc" {fc}
  inner_product_param {{ num_output: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "up" type: "InnerProduct" bottom: "fc" top: "up" {up}
  inner_product_param {{ num_output: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "last" type: "InnerProduct" bottom: "up" top: "last" {last}
  inner_product_param {{ num_output: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "last" bottom: "label" top: "loss" }}
"""
BN = """layer {{ name: "bn" type: "BatchNorm" bottom: "data" top: "bn" {} }}
layer {{ name: "off" type: "Silence" bottom: "bn" bottom: "label" }}"""
SOLVER = 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 4 snapshot_prefix: "s" '
BATCHES = np.random.default_rng(0).normal(size=(4, 4, 3)).astype("f4")


def feed(first: int = 0):
    return [{"data": data, "label": np.arange(4) % 3} for data in BATCHES[first:]]


def solver_of(folder, monkeypatch, solver="", **parts) -> Solver:
    monkeypatch.chdir(folder)
    parts = {"middle": "", "fc": "", "up": "", "last": "", **parts}
    (folder / "net.prototxt").write_text(NET.format(**parts))
    (folder / "solver.prototxt").write_text(SOLVER + solver)
    tests = [feed(2)] if solver else ()
    return Solver("solver.prototxt", verbose=False, feed=feed(), test_feeds=tests)


def sums(batches) -> list[np.ndarray]:
    """Blobs of a BatchNorm after passes over batches, as Caffe's layer has them."""
    mean, variance, factor = np.zeros(3), np.zeros(3), 0.0
    for batch in batches:
        mean = 0.999 * mean + batch.mean(0)
        variance = 0.999 * variance + batch.var(0, ddof=1)
        factor = 0.999 * factor + 1
    return [mean, variance, np.array([factor])]


def require_sums(solver: Solver, batches) -> None:
    for param, wanted in zip(solver.params["bn"], sums(batches), strict=True):
        np.testing.assert_allclose(param.data, wanted, rtol=1e-5, atol=1e-6)


def test_a_layer_whose_top_is_silenced_keeps_its_statistics(tmp_path, monkeypatch):
    solver = solver_of(tmp_path, monkeypatch, middle=BN.format(""))
    solver.step(2)
    require_sums(solver, BATCHES[:2])
    assert [output.name for output in solver._train.outputs] == ["loss"]


def test_statistics_that_a_test_changes_are_those_of_the_trained_net(tmp_path, monkeypatch):
    always = BN.format("batch_norm_param { use_global_stats: false }")
    more = "test_iter: 2 test_interval: 10"
    solver = solver_of(tmp_path, monkeypatch, more, middle=always)
    solver.step(1)  # behind the test of two batches
    require_sums(solver, BATCHES[[2, 3, 0]])
    quiet = solver_of(tmp_path, monkeypatch, more, middle=BN.format(""))
    quiet.step(1)
    require_sums(quiet, BATCHES[:1])


@pytest.mark.parametrize("name", ["lr_mult", "decay_mult"])
def test_multipliers_of_a_shared_parameter_that_are_given_must_agree(tmp_path, monkeypatch, name):
    def solver(*factors: str) -> Solver:
        specs = [f'param {{ name: "w" {name if x else ""}{x} }}' for x in factors]
        return solver_of(
            tmp_path, monkeypatch, **dict(zip(("fc", "up", "last"), specs, strict=True))
        )

    with pytest.raises(CaffeError, match=rf"'w' with layer 'fc', whose {name} is 1; here it is 2"):
        solver(": 1", "", ": 2")
    with pytest.raises(CaffeError, match=rf"{name} is 2; here it is 1"):
        solver("", ": 2", ": 1")
    found = solver("", ": 2", "")._step.owned[0].multipliers
    assert (found.rate, found.decay) == ((2, 1) if name == "lr_mult" else (1, 2))
