"""What is written runs again, and gives the model's numbers; what does not is removed."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.exporting import written
from keras_fcn.exporting.formats import FILES
from keras_fcn.exporting.written import CHECKED, check_form

NET = """
name: "two"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 10 dim: 12 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "score" type: "Convolution" bottom: "conv1" top: "score"
  convolution_param { num_output: 3 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Sigmoid" bottom: "conv1" top: "prob" }
"""
SLOW = {"saved_model", "litert"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("written") / "net.prototxt"
    path.write_text(NET)
    return keras_fcn.from_caffe(path, seed=1)


def test_every_form_is_run():
    assert {*CHECKED, "onnx", "ncnn"} == {*FILES}


@pytest.mark.parametrize(
    "form", [pytest.param(x, marks=[pytest.mark.slow] * (x in SLOW)) for x in CHECKED]
)
def test_forms(model, tmp_path, form):
    """Two outputs, images of any size; one whose weights are others is removed."""
    shapes = {"input_shapes": {"data": (1, 3, 10, 12)}} if form in ("caffe", "code") else {}
    path = tmp_path / FILES[form]
    keras_fcn.export(model, path, form, verify=True, **shapes)
    names = {x.name for x in tmp_path.iterdir()}
    assert names
    other = keras.models.clone_model(model)
    other.set_weights([x * 1.01 for x in model.get_weights()])
    if form == "code":  # which has no weights: it is the network that may be another
        path.write_text(path.read_text().replace('"relu"', '"tanh"').replace("ReLU", "Softplus"))
        other = model
    with pytest.raises(CaffeError, match=r"differs from Keras' at|does not run it"):
        check_form(form, path, other, shapes.get("input_shapes", {}))
    assert not list(tmp_path.iterdir())


def test_what_does_not_run(model, tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    path.write_text("nothing")
    with pytest.raises(CaffeError, match="Keras does not run it"):
        check_form("keras", path, model, {})
    assert not path.exists()

    def one(*_):
        return lambda _: [np.zeros((1, 8, 10, 3), np.float32)]

    monkeypatch.setitem(written.CHECKED, "keras", ("Keras", one))
    path.write_text("less")
    with pytest.raises(CaffeError, match="it has 1 outputs in Keras, and the model 2"):
        check_form("keras", path, model, {})
