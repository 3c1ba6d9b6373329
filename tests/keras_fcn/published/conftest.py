from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from keras_fcn.published.cache import caffemodel_path
from keras_fcn.published.entries import PublishedModel, RemoteFile, published
from tests.keras_fcn.published import small_net
from tests.keras_fcn.published.server import Behaviour, Server, running


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with running() as server:
        yield server


@pytest.fixture
def home(monkeypatch, tmp_path) -> Path:
    """An empty cache."""
    monkeypatch.setenv("KERAS_FCN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@dataclass(frozen=True)
class SmallNet:
    """A published LeNet with random weights, and its entry in the registry.

    Attributes:
        name: the registry's name.
        prototxt: its definition.
        caffemodel: its weights, outside the cache.
        given: what the server does when asked for them.
        cached: where the cache keeps them.
    """

    name: str
    prototxt: Path
    caffemodel: Path
    given: Behaviour
    cached: Path


@pytest.fixture(scope="session")
def small_files(tmp_path_factory) -> tuple[Path, Path]:
    return small_net.write(tmp_path_factory.mktemp("small"))


@pytest.fixture
def small(server, home, small_files, monkeypatch) -> SmallNet:
    prototxt, caffemodel = small_files
    body = caffemodel.read_bytes()
    entry = PublishedModel(
        "small_lenet",
        "LeNet with random weights",
        constructor="LeNet",
        weights=RemoteFile(
            (server.url("/small"),), len(body), {"sha256": hashlib.sha256(body).hexdigest()}
        ),
        prototxt=RemoteFile((), None, {"sha1": hashlib.sha1(prototxt.read_bytes()).hexdigest()}),
        mean=(7.0,),
        scale=0.5,
    )
    monkeypatch.setitem(published(), entry.name, entry)
    given = server.give("/small", body)
    return SmallNet(entry.name, prototxt, caffemodel, given, caffemodel_path(entry.name))
