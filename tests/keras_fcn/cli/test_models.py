"""models, fetch, identify."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest

from keras_fcn.published import published
from keras_fcn.published.entries import RemoteFile
from tests.keras_fcn.published.server import running


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_FCN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "home"


def test_list(run, home):
    (home / "models").mkdir(parents=True)
    (home / "models" / "vgg16.caffemodel").touch()
    outcome = run("models")
    assert outcome.status == 0
    rows = {line.split()[0]: line.split() for line in outcome.out.splitlines()}
    assert set(rows) == {"name", *published()}
    assert rows["vgg16"][1:3] == ["VGG16", "imagenet"]
    assert rows["vgg16"][-2:] == ["yes", "553"]
    assert rows["fcn16s-heavy-pascal"][-2:] == ["no", "?"]


def test_one(run, home):
    out = run("models", "dilation8_camvid").out
    facts = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert facts["weights"] == "http://dl.yf.io/dilation/models/dilation8_camvid.caffemodel"
    assert facts["mean"] == "110.70313206, 108.77808759, 105.41212523 (BGR)"
    assert facts["tiles"] == "margin 186, zoom 8"
    assert facts["result"] == "mIoU 65.3 % on CamVid test (Yu and Koltun, 2016)"
    assert "keras_fcn.DilatedNetCamVid(weights='dilation8_camvid')" in out
    assert str(home / "models" / "dilation8_camvid.caffemodel") in out


@pytest.mark.parametrize("name", published())
def test_each_can_be_shown(name, run):
    assert run("models", name).status == 0


@pytest.mark.parametrize("command", ["models", "fetch"])
def test_unknown_name(command, run, home):
    assert "did you mean 'vgg16'" in run(command, "vgg_16").error
    assert not home.exists()


def test_fetch(run, net, home, monkeypatch):
    body = net.caffemodel.read_bytes()
    with running() as server:
        entry = dataclasses.replace(
            published()["nin_imagenet"],
            weights=RemoteFile(
                (server.url("/gone"), server.url("/net")),
                None,
                {"sha1": hashlib.sha1(body).hexdigest()},
            ),
        )
        monkeypatch.setitem(published(), entry.name, entry)
        server.give("/gone", b"<html></html>", status=404)
        given = server.give("/net", body, drops=1, cut=1000)
        monkeypatch.setattr("keras_fcn.published.download.time.sleep", lambda _: None)
        for _ in range(2):
            outcome = run("fetch", entry.name)
            assert outcome.status == 0, outcome
            assert outcome.out == f"{home / 'models' / 'nin_imagenet.caffemodel'}\n"
        assert given.requests == [None, "bytes=1000-"]
    assert (home / "models" / "nin_imagenet.caffemodel").read_bytes() == body
    outcome = run("identify", net.caffemodel)
    assert outcome.out == f"{net.caffemodel}: nin_imagenet (Network in Network), weights\n"
    outcome = run("identify", net.h5, net.prototxt)
    assert outcome.status == 1
    assert f"has the hash of {net.h5}, {net.prototxt}" in outcome.error


def test_fetch_without_a_network(run, monkeypatch):
    entry = dataclasses.replace(
        published()["nin_imagenet"],
        weights=RemoteFile(("http://127.0.0.1:9/a", "http://127.0.0.1:9/b")),
    )
    monkeypatch.setitem(published(), entry.name, entry)
    error = run("fetch", entry.name).error
    assert "http://127.0.0.1:9/a: no connection" in error
    assert "http://127.0.0.1:9/b: no connection" in error
    assert "put it here" in error
