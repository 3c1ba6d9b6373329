"""References that show few blobs, and noisy ones: what is not known is not told."""

from __future__ import annotations

import json

import numpy as np
import pytest

import keras_fcn
from keras_fcn.verifying.causes import search
from keras_fcn.verifying.pages import write_page
from keras_fcn.verifying.passes import Blobs
from tests.keras_fcn.verifying.nets import BLOBS, dump


def _faulty(net, name, array):
    """The blobs with one changed, and all that are made of it."""
    blobs, found = Blobs(net.model), dict(net.blobs) | {name: array}
    for each in BLOBS[BLOBS.index(name) + 1 :]:
        of = {x: found[x] for x in blobs.sources(each, frozenset(BLOBS))}
        found[each] = blobs.of(each, of)
    return found


def _verified(net, path, blobs, names):
    return keras_fcn.verify(net.model, dump(path / "x.npz", net, {x: blobs[x] for x in names}))


def test_a_fault_lies_between_the_blobs_that_are_shown(net, tmp_path, monkeypatch):
    monkeypatch.setattr(search, "_SECONDS", 0.0)  # no cause is there to be found
    report = _verified(net, tmp_path, _faulty(net, "norm/1", 2 * net.blobs["norm/1"]), ["prob"])
    first = report.first_departure
    assert (report.exit_code, report.cause, first.since) == (1, None, ("data",))
    assert first.unseen == ("conv1", "relu1", "norm1", "pool1", "up", "sum", "ip", "prob")
    assert report.verdict.startswith(
        "differs somewhere between 'data' and 'prob' (of the layers 'conv1', 'relu1', 'norm1', "
        "'pool1', 'up', 'sum' and 2 more the reference shows the last alone): "
    )
    assert report.to_json()["blobs"][-1]["unseen"] == list(first.unseen)
    write_page(report, tmp_path / "page.html")
    assert "somewhere between &#x27;data&#x27; and &#x27;prob&#x27;" in (
        tmp_path / "page.html"
    ).read_text(encoding="utf-8")


def test_a_layer_whose_other_bottom_is_not_shown_is_not_blamed(net, tmp_path):
    """Passing on one of its bottoms alone would explain `sum`, which is right."""
    faulty = _faulty(net, "up", 0 * net.blobs["up"])
    report = _verified(net, tmp_path, faulty, ["conv1", "norm/1", "sum", "ip", "prob"])
    assert report.first_departure.blob == "sum"
    assert report.cause is None
    assert "between 'norm/1' and 'sum' (of the layers 'pool1', 'up', 'sum'" in report.verdict


@pytest.mark.slow
def test_images_prepared_otherwise_are_told_of_an_output_alone(net, tmp_path):
    data = (net.data / 50).astype(np.float32)
    fed = net._replace(data=data)
    blobs = keras_fcn.blobs(net.model, np.ascontiguousarray(data[:, ::-1]))
    report = _verified(fed, tmp_path, blobs, ["sum", "ip", "prob"])
    assert report.first_departure.blob == "sum"
    assert report.cause.name == "channels swapped"
    assert report.verdict.startswith("differs somewhere between 'data' and 'sum'")


@pytest.mark.parametrize("kind", ["of each entry", "of the blob"])
def test_noise_is_neither_proof_nor_a_fault(net, tmp_path, kind):
    draw = np.random.default_rng(3)
    noisy = {}
    for name, blob in net.blobs.items():
        scale = np.abs(blob) if kind == "of each entry" else np.abs(blob).max()
        noisy[name] = blob + (name != "mask") * 1e-4 * scale * draw.normal(size=blob.shape)
    report = keras_fcn.verify(net.model, dump(tmp_path / "noisy.npz", net, noisy))
    assert (report.exit_code, report.passed, report.cause) == (2, False, None)
    assert report.first_departure is None
    assert "rounding or noise, no cause" in report.verdict
    assert report.verdict.startswith("not proven: the blob")
    told = json.dumps(report.to_json())
    assert '"exit_code": 2' in told
    assert "rounding or noise, no cause" in told
    write_page(report, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Not proven" in page
    assert "rounding or noise, no cause" in page


def test_one_wrong_entry_is_no_noise(net, tmp_path):
    """Its rms difference is small in a large blob."""
    blob = net.blobs["conv1"].copy()
    blob.flat[7] += 0.03 * np.abs(blob).max()
    report = keras_fcn.verify(
        net.model, dump(tmp_path / "x.npz", net, dict(net.blobs) | {"conv1": blob})
    )
    assert report.exit_code == 1
    assert report.first_departure.blob == "conv1"


def test_errors_that_are_none_of_a_blob_are_not_hidden(net, tmp_path, monkeypatch):
    def broken(*_):
        raise KeyError("a mistake of ours")

    monkeypatch.setattr(Blobs, "of", broken)
    path = dump(tmp_path / "x.npz", net, dict(net.blobs) | {"ip": net.blobs["ip"] + 1})
    with pytest.raises(KeyError, match="a mistake of ours"):
        keras_fcn.verify(net.model, path)
