from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import convert
from keras_fcn.registry.cache import caffemodel_path
from keras_fcn.registry.entries import PublishedModel, RemoteFile, published
from tests.keras_fcn.registry.server import Behaviour, Server, running


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


PROTOTXT = """
name: "Small"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 1 dim: 28 dim: 28 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 20 kernel_size: 5 } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
  convolution_param { num_output: 50 kernel_size: 5 } }
layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "ip1" type: "InnerProduct" bottom: "pool2" top: "ip1"
  inner_product_param { num_output: 500 } }
layer { name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  inner_product_param { num_output: 10 } }
layer { name: "prob" type: "Softmax" bottom: "ip2" top: "prob" }
"""
SHAPES = {
    "conv1": ((20, 1, 5, 5), (20,)),
    "conv2": ((50, 20, 5, 5), (50,)),
    "ip1": ((500, 800), (500,)),
    "ip2": ((10, 500), (10,)),
}


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
    folder = tmp_path_factory.mktemp("small")
    prototxt, caffemodel = folder / "small.prototxt", folder / "small.caffemodel"
    prototxt.write_text(PROTOTXT)
    random = np.random.default_rng(0)
    blobs = {
        name: [random.normal(0, 0.05, shape) for shape in shapes] for name, shapes in SHAPES.items()
    }
    convert.write_caffemodel(caffemodel, prototxt, blobs)
    return prototxt, caffemodel


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
