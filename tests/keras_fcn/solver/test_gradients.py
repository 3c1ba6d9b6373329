"""Nets whose gradients get nowhere: what Caffe stops at, and what is told."""

from __future__ import annotations

import numpy as np
import pytest

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.solver import Solver

HEAD = """name: "n"
layer { name: "in" type: "Input" top: "data" top: "label" top: "aim"
  input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } shape { dim: 2 dim: 4 } } }
"""
FC = """layer { name: "%s" type: "InnerProduct" bottom: "data" top: "%s" %s
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
"""
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "a" bottom: "%s" top: "loss" %s }\n'
A = FC % ("a", "a", "")
ONE = A.replace('"a"', '"one"').replace("num_output: 4", "num_output: 1")


@pytest.fixture
def solver(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def made(net, **options):
        (tmp_path / "net.prototxt").write_text(HEAD + net)
        (tmp_path / "solver.prototxt").write_text(
            'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1 snapshot_prefix: "o"'
        )
        batch = {"data": np.ones((2, 3)), "label": np.array([0, 3]), "aim": np.ones((2, 4))}
        return Solver("solver.prototxt", feed=lambda: batch, **{"verbose": False, **options})

    return made


ARG_MAX = """layer { name: "best" type: "ArgMax" bottom: "a" top: "best" %s }
layer { name: "e" type: "EuclideanLoss" bottom: "best" bottom: "best" top: "e" }
"""
THRESHOLD = """layer { name: "above" type: "Threshold" bottom: "a" top: "above" }
layer { name: "e" type: "EuclideanLoss" bottom: "above" bottom: "aim" top: "e" }
"""
JUDGED = """layer { name: "score" type: "Accuracy" bottom: "a" bottom: "label" top: "score"
  loss_weight: 1 }
"""


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (A + ARG_MAX % "", r"'best' \(ArgMax\).*cannot backpropagate to bottom 'a'"),
        (A + THRESHOLD, r"'above' \(Threshold\).*cannot backpropagate to bottom 'a'"),
        (A + JUDGED, r"'score' \(Accuracy\).*cannot backpropagate to bottom 'a'"),
        (A + ONE + LOSS % ("one", ""), r"'loss' .*cannot backpropagate to bottom 'one'"),
        (
            A + LOSS % ("label", "propagate_down: true propagate_down: true"),
            r"'loss' .*cannot backpropagate to bottom 'label'",
        ),
        (
            A.replace("top", "propagate_down: true propagate_down: false top")
            + LOSS % ("label", ""),
            r"layer 'a' .*propagate_down must be .*each of the 1 bottoms, not 2 times",
        ),
        (
            A + LOSS % ("label", "propagate_down: true"),
            r"'loss' .*propagate_down must be .* each of the 2 bottoms, not 1 times",
        ),
    ],
)
def test_what_caffe_stops_at_is_refused(solver, net, message):
    with pytest.raises(CaffeError, match=message):
        solver(net)


FIXED = A.replace("top", "param { lr_mult: 0 } param { lr_mult: 0 } top")
EUCLIDEAN = 'layer { name: "e" type: "EuclideanLoss" bottom: "%s" bottom: "aim" top: "e" }\n'


@pytest.mark.parametrize(
    ("net", "told"),
    [
        (A + LOSS % ("label", ""), False),
        (A + LOSS % ("label", "propagate_down: true propagate_down: false"), False),
        (A + LOSS % ("label", "propagate_down: false propagate_down: false"), True),
        (A + ONE + LOSS % ("one", "propagate_down: true propagate_down: false"), False),
        (A + LOSS % ("label", "") + (ARG_MAX % "propagate_down: false"), True),
        (FIXED + EUCLIDEAN % "a", True),
        (FIXED + JUDGED.replace("loss_weight: 1", "") + EUCLIDEAN % "a", True),
    ],
)
def test_a_loss_whose_gradient_reaches_nothing_is_told(solver, capsys, net, told):
    solver(net, verbose=True)
    log = capsys.readouterr().err
    lines = [x for x in log.splitlines() if "reaches no parameter" in x]
    assert [x[0] for x in lines] == ["W"] * told
