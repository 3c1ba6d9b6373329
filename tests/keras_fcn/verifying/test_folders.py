"""Pairs of files in a folder."""

from __future__ import annotations

import pytest

from keras_fcn.verifying.folders import pairs_in


def _made(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")


def _pairs(folder):
    return {name: prototxt.name for name, prototxt, _ in pairs_in(folder)[0]}


def test_odd_names(tmp_path):
    _made(tmp_path, "a b/de ploy.prototxt", "a b/my net.caffemodel")
    _made(tmp_path, "\u00fc/gr\u00f6\u00dfe.prototxt", "\u00fc/gr\u00f6\u00dfe.caffemodel")
    _made(tmp_path, "x/-dash.prototxt", "x/-dash.caffemodel", "x/a+b.prototxt", "x/a+b.caffemodel")
    _made(tmp_path, "y/DEPLOY.PROTOTXT", "y/n.CAFFEMODEL", "z/strained.prototxt", "z/s.caffemodel")
    assert _pairs(tmp_path) == {
        "a b/my net.caffemodel": "de ploy.prototxt",
        "\u00fc/gr\u00f6\u00dfe.caffemodel": "gr\u00f6\u00dfe.prototxt",
        "x/-dash.caffemodel": "-dash.prototxt",
        "x/a+b.caffemodel": "a+b.prototxt",
        "y/n.CAFFEMODEL": "DEPLOY.PROTOTXT",
        "z/s.caffemodel": "strained.prototxt",
    }
    assert pairs_in(tmp_path)[1] == []


@pytest.mark.parametrize("name", ["solver", "train_val", "lenet_solver_adam", "lenet-train-test"])
def test_what_is_no_network(tmp_path, name):
    """Solvers and networks for training are passed over; a network without weights is named."""
    _made(tmp_path, f"{name}.prototxt", "lenet.prototxt", "lenet_iter_5.caffemodel")
    _made(tmp_path, "alone/net.prototxt", f"alone/{name}.prototxt")
    pairs, notes = pairs_in(tmp_path)
    assert [x.prototxt.name for x in pairs] == ["lenet.prototxt"]
    assert notes == ["alone/net.prototxt: no weights beside are told to be its"]
