"""What `debug_info` tells, against what Python computes of a net small enough for it."""

from __future__ import annotations

import re

import numpy as np
import pytest

from keras_fcn.solver import Solver

NET = """
name: "tiny"
layer { name: "data" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 4 dim: 3 } shape { dim: 4 dim: 2 } } }
layer { name: "a" type: "InnerProduct" bottom: "data" top: "a" param { name: "w" }
  param { lr_mult: 0 } inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "a" top: "a" }
layer { name: "b" type: "InnerProduct" bottom: "a" top: "b"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "off" type: "Silence" bottom: "a" }
layer { name: "loss" type: "EuclideanLoss" bottom: "b" bottom: "label" top: "loss" loss_weight: 2 }
"""
SOLVER = """net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" display: 1 iter_size: 2
random_seed: 1 snapshot_prefix: "s" debug_info: true"""
_RANDOM = np.random.default_rng(0)
BATCHES = [
    {"data": _RANDOM.normal(size=(4, 3)), "label": _RANDOM.normal(size=(4, 2))} for _ in range(2)
]
_LINE = re.compile(r"\] +\[(Forward|Backward|Update)\] (.*)")


def told(log: str) -> list[tuple[str, list[float]]]:
    """Words and numbers of each line, in order."""
    lines = [" ".join(match.groups()) for match in map(_LINE.search, log.splitlines()) if match]
    parts = [re.split(r"(?:data|diff): |= ", x, maxsplit=1) for x in lines]
    numbers = [re.findall(r"[-\d.]+(?:e[-+]\d+)?", part[1].replace("L2", "")) for part in parts]
    return [
        (part[0].strip(), list(map(float, found)))
        for part, found in zip(parts, numbers, strict=True)
    ]


def test_lines_of_passes_and_update_are_those_of_the_net(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    solver = Solver("solver.prototxt", feed=BATCHES)
    w, _, v, c = (x.data.copy() for name in "ab" for x in solver.params[name])
    capsys.readouterr()
    solver.step(1)
    lines = told(capsys.readouterr().err)

    expected, dw, dv, dc = [], 0, 0, 0
    for batch in BATCHES:
        x, label = batch["data"], batch["label"]
        before = x @ w.T
        after = np.maximum(before, 0)
        b = after @ v.T + c
        db = 2 * (b - label) / 4
        da = db @ v
        dbefore = da * (before > 0)
        dw, dv, dc = dw + dbefore.T @ x, dv + db.T @ after, dc + db.sum(0)
        split = "a_relu_0_split"
        expected += [
            ("Forward Layer data, top blob data", x),
            ("Forward Layer data, top blob label", label),
            ("Forward Layer a, top blob a", before),
            ("Forward Layer a, param blob w", w),
            ("Forward Layer a, param blob 1", 0),
            ("Forward Layer relu, top blob a", after),
            (f"Forward Layer {split}, top blob {split}_0", after),
            (f"Forward Layer {split}, top blob {split}_1", after),
            ("Forward Layer b, top blob b", b),
            ("Forward Layer b, param blob 0", v),
            ("Forward Layer b, param blob 1", c),
            ("Forward Layer loss, top blob loss", ((b - label) ** 2).sum() / 8),
            ("Backward Layer loss, bottom blob b", db),
            (f"Backward Layer b, bottom blob {split}_0", da),
            ("Backward Layer b, param blob 0", dv),
            ("Backward Layer b, param blob 1", dc),
            (f"Backward Layer {split}, bottom blob a", da),
            ("Backward Layer relu, bottom blob a", dbefore),
            ("Backward Layer a, param blob 0", dw),
            ("Backward All net params (data, diff): L1 norm", None),
        ]
    assert [name for name, _ in lines] == [name for name, _ in expected] + [
        f"Update Layer {layer}, param {name}" for layer, name in ("aw", "a1", "b0", "b1")
    ]
    for (name, numbers), (_, wanted) in zip(lines, expected, strict=False):
        if wanted is not None:
            assert numbers == pytest.approx([np.abs(wanted).mean()], rel=1e-4), name
    data = np.concatenate([x.ravel() for x in (w, v, c)])
    diff = np.concatenate([x.ravel() for x in (dw, dv, dc)])
    both = [np.linalg.norm(x, order) for order in (1, 2) for x in (data, diff)]
    assert lines[len(expected) - 1][1] == pytest.approx(both, rel=1e-4)
    updates = [numbers for _, numbers in lines[len(expected) :]]
    for numbers, (value, gradient) in zip(
        updates, ((w, dw), (0, 0), (v, dv), (c, dc)), strict=True
    ):
        wanted = [np.abs(value).mean(), np.abs(0.1 * np.asarray(gradient) / 2).mean()]
        assert numbers == pytest.approx(wanted, rel=1e-4)
