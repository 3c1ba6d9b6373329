"""Models for other programs."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

import convert
import keras_fcn

# Runs where keras_fcn cannot be imported: plain TensorFlow only.
_SERVE = """
import json, sys
import numpy as np
sys.modules["keras_fcn"] = sys.modules["convert"] = None
import tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
serve = loaded.signatures["serving_default"]
inputs = np.load(sys.argv[2])
outputs = {}
for key in inputs:
    result = serve(data=tf.constant(inputs[key]))
    outputs.update({key + "/" + name: value.numpy() for name, value in result.items()})
np.savez(sys.argv[3], **outputs)
_, keywords = serve.structured_input_signature
print(json.dumps(keywords["data"].shape.as_list()))
"""


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(2)
    model = keras_fcn.CaffeNetFCN(include_top=False)
    model.add(keras.layers.Conv2D(4, 1, name="score"))
    model.add(keras_fcn.PixelwiseSoftmax(name="prob"))
    return model


@pytest.mark.slow
def test_saved_model_without_keras_fcn(model, tmp_path):
    keras_fcn.export(model, tmp_path / "served")
    rng = np.random.default_rng(0)
    shapes = {"one": (1, 99, 131, 3), "two": (2, 128, 96, 3)}
    inputs = {key: rng.random(shape, np.float32) for key, shape in shapes.items()}
    np.savez(tmp_path / "in.npz", **inputs)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            _SERVE,
            tmp_path / "served",
            tmp_path / "in.npz",
            tmp_path / "out.npz",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    assert json.loads(done.stdout) == [None, None, None, 3]
    with np.load(tmp_path / "out.npz") as outputs:
        assert set(outputs) == {"one/prob", "two/prob"}
        for key, x in inputs.items():
            np.testing.assert_allclose(
                outputs[f"{key}/prob"], model.predict(x, verbose=0), atol=1e-6
            )


@pytest.mark.slow
def test_saved_model_is_replaced_whole(model, tmp_path):
    small = keras_fcn.LeNet()
    keras_fcn.export(small, tmp_path / "served")
    keras_fcn.export(small, tmp_path / "served")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["served"]


def test_other_folders_are_left_alone(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"x")
    with pytest.raises(convert.CaffeError, match="not a SavedModel"):
        keras_fcn.export(keras_fcn.LeNet(), tmp_path / "photos")
    assert (tmp_path / "photos" / "cat.jpg").exists()


def test_paths_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(convert.CaffeError, match="cannot write"):
        keras_fcn.export(keras_fcn.LeNet(), tmp_path / "file" / "served")
    for folder in ("absent", "file"):
        path = tmp_path / folder / "net.keras"
        with pytest.raises(convert.CaffeError, match=f"^cannot write {re.escape(str(path))}: "):
            keras_fcn.export(keras_fcn.LeNet(), path, "keras")


@pytest.mark.slow
def test_keras_format(tmp_path):
    model = keras_fcn.LeNet()
    keras_fcn.export(model, tmp_path / "net.keras", "keras")
    x = np.random.default_rng(0).random((1, 28, 28, 1), np.float32)
    again = keras.models.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.keras"]


def test_unknown_format(tmp_path):
    with pytest.raises(ValueError, match="format must be one of"):
        keras_fcn.export(keras_fcn.LeNet(), tmp_path / "x", "caffe2")
