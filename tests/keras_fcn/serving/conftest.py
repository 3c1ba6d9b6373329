"""A small network behind a server of its own, in a thread."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

import keras_fcn
from keras_fcn.serving.limits import Limits
from keras_fcn.serving.network import ServedNetwork


@pytest.fixture(scope="session", autouse=True)
def _extra() -> None:
    for package in ("fastapi", "uvicorn"):
        pytest.importorskip(package, reason="needs the extra serve")


NAMES = ("sky", "road", "tree & <bush>", "car")


class Reply(NamedTuple):
    """An answer of a server."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The code of the one form of errors."""
        facts = self.json["error"]
        assert facts["status"] == self.status
        assert facts["message"]
        assert "Traceback" not in facts["message"]
        assert "\n" not in facts["message"]
        return facts["code"]


class Client(NamedTuple):
    """Requests to a server."""

    port: int

    def ask(self, method: str, path: str, body: Any = None, /, **headers: str) -> Reply:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            told = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, told)
            answer = connection.getresponse()
            return Reply(answer.status, answer.read(), dict(answer.getheaders()))
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, **headers)

    def post(self, path: str, body: Any, kind: str = "image/png") -> Reply:
        return self.ask("POST", path, body, Content_Type=kind)


@contextmanager
def served(network: Any, limits: Limits | None = None) -> Iterator[Client]:
    """A server in a thread."""
    import uvicorn

    from keras_fcn.serving.app import application

    app = application(network, limits)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < until
            time.sleep(0.01)
        yield Client(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def png(pixels: np.ndarray, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


def picture(height: int = 40, width: int = 60, seed: int = 0) -> np.ndarray:
    """Blocks of colours."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.NEAREST))


@pytest.fixture(scope="session")
def segmenter():
    """A network that labels pixels, of any size, in four classes."""
    import keras

    keras.utils.set_random_seed(1)
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(inputs)
    outputs = keras.layers.Softmax(name="prob")(keras.layers.Conv2D(len(NAMES), 1)(x))
    return keras_fcn.with_card(
        keras.Model(inputs, outputs, name="street"),
        preprocessing=keras_fcn.Preprocessing(mean=(100.0, 110.0, 120.0), input_scale=0.01),
        classes=NAMES,
    )


@pytest.fixture(scope="session")
def classifier():
    """A classifier of images of one size."""
    import keras

    keras.utils.set_random_seed(2)
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Flatten()(keras.layers.Conv2D(4, 3, strides=4)(inputs))
    outputs = keras.layers.Dense(len(NAMES), activation="softmax", name="prob")(x)
    return keras_fcn.with_card(
        keras.Model(inputs, outputs, name="things"),
        preprocessing=keras_fcn.Preprocessing(mean=(100.0, 110.0, 120.0), input_scale=0.01),
        classes=NAMES,
    )


@pytest.fixture(scope="session")
def street(_extra, segmenter) -> Iterator[Client]:
    """The network that labels pixels, behind a server."""
    limits = Limits(max_bytes=100_000, max_pixels=20_000, timeout=10)
    with served(ServedNetwork(segmenter), limits) as client:
        yield client
