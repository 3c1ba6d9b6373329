"""L1Loss of NVIDIA's Caffe and of FlowNet against numpy."""

from __future__ import annotations

import numpy as np
import pytest

import convert
import keras_fcn
from tests.golden import assert_close
from tests.keras_fcn.builder.forks import assert_gradient, assert_survives, built, gradients


def flow_loss(x, t, p):
    """Place by place; differences that are no number are left out."""
    total, count = 0.0, 0
    for b, i, j in np.ndindex(len(x), *x.shape[2:]):
        squares = 0.0
        for c in range(x.shape[1]):
            d = x[b, c, i, j] - t[b, c, i, j]
            if np.isnan(d):
                continue
            count += 1
            squares += d * d
            if not p.get("l2_per_location") and abs(d) >= p.get("plateau", 0):
                total += abs(d)
        if p.get("l2_per_location"):
            squares /= x.shape[1] if p.get("l2_prescale_by_channels") else 1
            squares = 0.0 if squares < p.get("plateau", 0) ** 2 else squares
            total += np.sqrt(squares + p.get("epsilon", 0.01))
    divisor = count / x.shape[1] if p.get("normalize_by_num_entries") else len(x)
    return np.array(total / divisor)


SETTINGS = {
    "magnitudes": {"normalize_by_num_entries": True},
    "plateau": {"plateau": 0.8},
    "lengths": {"l2_per_location": True, "epsilon": 0.1},
    "mean lengths": {"l2_per_location": True, "l2_prescale_by_channels": True, "plateau": 0.9},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_flownet(name, tmp_path):
    p, rng = SETTINGS[name], np.random.default_rng(0)
    fed = {name: rng.normal(0, 1, (2, 2, 3, 4)).astype("float32") for name in "xt"}
    fed["t"][0, 1, 2, :2] = fed["t"][1, :, 0, 0] = np.nan
    fields = " ".join(f"{k}: {str(v).lower() if v is True else v}" for k, v in p.items())
    text = f'type: "L1Loss" l1_loss_param {{ {fields} }}'
    model = built(tmp_path, text, **{k: x.shape for k, x in fed.items()})
    assert_close(keras_fcn.blobs(model, fed)["y"], flow_loss(*fed.values(), p))
    assert_gradient(model, lambda x, t: flow_loss(x, t, p), fed, ["x", "t"], tolerance=1e-3)
    assert_survives(model, fed, tmp_path)


def test_flownet_of_differences(tmp_path):
    x = np.random.default_rng(0).normal(0, 1, (2, 3, 2, 2)).astype("float32")
    model = built(tmp_path, 'type: "L1Loss"', x=x.shape)
    assert_close(keras_fcn.blobs(model, {"x": x})["y"], np.abs(x).sum() / 2)


@pytest.mark.parametrize(("text", "there"), [("", 0), ("l1_loss_param { }", -0.5)])
def test_gradient_where_nothing_differs(text, there, tmp_path):
    fed = {"x": np.float32([[1, 2], [3, 5]]), "t": np.float32([[1, 1], [3, 9]])}
    model = built(tmp_path, f'type: "L1Loss" {text}', x=(2, 2), t=(2, 2))
    assert_close(keras_fcn.blobs(model, fed)["y"], np.float32(2.5))
    found = gradients(model, fed, np.float32(1))
    wanted = np.float32([[there, 0.5], [there, -0.5]])
    np.testing.assert_array_equal(found["x"], wanted)
    np.testing.assert_array_equal(found["t"], -wanted)


def test_dialects_are_told(tmp_path):
    built(tmp_path, 'type: "L1Loss"', x=(2, 2), t=(2, 2))
    path = tmp_path / "net.prototxt"
    assert convert.load_network(path).layers[-1].params == keras_fcn.caffe.layers.l1_loss.L1Loss()
    params = convert.load_network(path, dialect="flownet").layers[-1].params
    assert params == keras_fcn.caffe.layers.l1_loss.FlowL1Loss()


@pytest.mark.parametrize("text", ["", "l1_loss_param { }"])
def test_refused(text, tmp_path):
    with pytest.raises(convert.CaffeError, match="bottoms must have"):
        built(tmp_path, f'type: "L1Loss" {text}', x=(2, 2), t=(2, 3))
