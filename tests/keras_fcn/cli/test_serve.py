from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import keras_fcn
from tests.keras_fcn.serving.conftest import NAMES, Client, picture, png


@pytest.fixture
def model(tmp_path):
    import keras

    pytest.importorskip("fastapi", reason="needs the extra serve")
    inputs = keras.Input((None, None, 3))
    outputs = keras.layers.Softmax(name="prob")(keras.layers.Conv2D(len(NAMES), 3)(inputs))
    return keras_fcn.with_card(
        keras.Model(inputs, outputs, name="street"),
        preprocessing=keras_fcn.Preprocessing(mean=(100.0, 110.0, 120.0)),
        classes=NAMES,
    )


@pytest.fixture
def stored(model, tmp_path):
    path = tmp_path / "street.keras"
    model.save(path)
    return path


def test_a_port_that_is_taken_is_told(run, stored):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = run("serve", stored, "--port", port, "--engine", "tensorflow").error
    assert error.startswith(f"127.0.0.1:{port}: cannot listen there: ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--queue", "0"), "--queue must be above 0. Received: 0"),
        (("--max-pixels", "-1"), "--max-pixels must be above 0. Received: -1"),
        (("--port", "70000"), "--port must be 0 to 65535. Received: 70000"),
        (("--host", "no.such.host.invalid"), "no.such.host.invalid:8000: cannot listen there: "),
    ],
)
def test_options_that_do_not_suit(run, stored, options, message):
    assert message in run("serve", stored, "--engine", "tensorflow", *options).error


def test_without_its_packages(run, monkeypatch):
    monkeypatch.setattr("keras_fcn.cli.serve.find_spec", lambda name: None)
    assert run("serve", "x.keras").error == (
        "serve needs fastapi and uvicorn: pip install 'keras-fcn[serve]'"
    )


@pytest.mark.parametrize(
    ("host", "told"), [("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True)]
)
def test_who_may_ask_is_told(run, stored, monkeypatch, host, told):
    import uvicorn

    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: sockets[0].getsockname())
    outcome = run("serve", stored, "--port", 0, "--host", host, "--engine", "tensorflow")
    assert outcome.status == 0
    assert outcome.out.startswith(f"serving street at http://{host}:")
    assert ("is open to other machines" in outcome.err) == told


@pytest.mark.slow
@pytest.mark.parametrize("name", ["folder", "net.keras", "net.onnx", "net.prototxt"])
def test_every_form_is_served(run, tmp_path, monkeypatch, name):
    import keras
    import uvicorn

    pytest.importorskip("fastapi", reason="needs the extra serve")
    inputs = keras.Input((8, 8, 1))
    scores = keras.layers.Dense(4, activation="softmax", name="prob")(
        keras.layers.Flatten()(inputs)
    )
    preprocessing = keras_fcn.Preprocessing(channels=1, mean=None)
    net = keras_fcn.with_card(keras.Model(inputs, scores, name="net"), preprocessing=preprocessing)
    if name == "folder":
        keras_fcn.export(net, tmp_path / name, "saved_model", preprocessing_inside=True)
    else:
        keras_fcn.export(net, tmp_path / name)
    weights = ["--weights", tmp_path / "net.caffemodel"] if name == "net.prototxt" else []
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: None)
    outcome = run("serve", tmp_path / name, "--port", 0, *weights)
    assert outcome.status == 0
    assert outcome.out.startswith("serving ")
    assert "warning" not in outcome.err


@pytest.mark.slow
def test_what_is_being_answered_is_finished(stored, model, tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    command = [sys.executable, "-m", "keras_fcn", "serve", str(stored), "--port", "0"]
    command += ["--host", "0.0.0.0", "--window", "2", "--engine", "tensorflow"]
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        line = process.stdout.readline()
        client = Client(int(line.rpartition(":")[2].strip("/\n")))
        replies = []
        threads = [
            threading.Thread(
                target=lambda: replies.append(client.post("/v1/labels", png(picture())))
            )
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        while b"images_waiting 3" not in client.get("/metrics", Host="x.example").body:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert process.wait(30) == 0
        errors = process.stderr.read()
    assert [x.status for x in replies] == [200] * 3
    assert "warning: 0.0.0.0 is open to other machines" in errors
    assert "Traceback" not in errors
    assert list(folder.iterdir()) == []
    labels = keras_fcn.segment(model, picture())
    assert np.unique(labels).size
    assert len({x.body for x in replies}) == 1
