"""Models of Keras' own classes alone."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.cli import main
from keras_fcn.exporting.stock.rebuilding import stock_model, with_stock_layers
from tests.golden import layer_case
from tests.keras_fcn.exporting.source_checks import assert_same

# Runs where keras_fcn cannot be imported.
_PREDICT = """
import sys
import numpy as np
sys.modules["keras_fcn"] = sys.modules["convert"] = None
import keras
model = keras.saving.load_model(sys.argv[1])
np.save(sys.argv[3], model.predict(np.load(sys.argv[2]), verbose=0))
"""


def _modules(path):
    """Packages of all classes that a Keras file names."""
    found = set()

    def visit(value):
        if isinstance(value, dict):
            if value.get("module"):
                found.add(value["module"].split(".")[0])
            assert value.get("registered_name") is None or "keras_fcn" not in str(value)
            value = list(value.values())
        for part in value if isinstance(value, list) else ():
            visit(part)

    visit(json.loads(zipfile.ZipFile(path).read("config.json")))
    return found


@pytest.mark.sweep(2)
@pytest.mark.parametrize(
    "name",
    [
        "graph_lenet",
        "graph_inception",
        "graph_residual",
        "conv_k1_s2",
        "conv_group2",
        "conv_depthwise_mult2_s2",
        "deconv_k3_s2_p1",
        "bn_scale_factor",
        "scale_bias",
        "prelu",
        "prelu_shared",
        "eltwise_max",
        "power_affine",
        "clip",
        "slice_points",
        "pool_max_k3s2",
        "pool_max_k2s2p1_clip",
        "pool_ave_k3s1p1",
        "reshape_axis1",
        "swish",
    ],
)
def test_cases(name, tmp_path):
    case = layer_case(name)
    model = keras_fcn.from_caffe(case.prototxt, case.weights, **case.state)
    shapes = {"data": (1, *case.inputs["data"].shape[1:])}
    keras_fcn.export(model, tmp_path / "net.keras", stock=True, input_shapes=shapes)
    assert _modules(tmp_path / "net.keras") <= {"keras", "builtins"}
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert type(loaded) in (keras.Sequential, type(keras.Model(*[keras.Input(())] * 2)))
    assert_same(model, loaded, case)


def test_what_keras_lacks_is_refused_by_layer_and_class(tmp_path):
    case = layer_case("lrn_alexnet")
    model = keras_fcn.from_caffe(case.prototxt)
    with pytest.raises(convert.UnsupportedLayerError, match=r"\(LocalResponseNormalization\)"):
        keras_fcn.export(model, tmp_path / "net.keras", stock=True)
    assert list(tmp_path.iterdir()) == []


def test_an_open_size_that_a_pooling_needs_is_said():
    inputs = keras.Input((None, None, 3), name="data")
    pool = keras_fcn.layers.CaffeMaxPooling2D(3, strides=2, name="pool")
    model = keras.Model(inputs, pool(inputs))
    with pytest.raises(convert.UnsupportedLayerError, match=r"'pool'.*give input_shapes"):
        stock_model(model)
    stock = stock_model(model, {"data": (None, 8, 9, 3)})
    x = np.random.default_rng(0).normal(size=(1, 8, 9, 3)).astype("float32")
    np.testing.assert_array_equal(stock(x), model(x))


def test_layers_of_the_user_are_refused():
    @keras.saving.register_keras_serializable("mine")
    class Mine(keras.layers.Layer):
        def call(self, x):
            return x

    inputs = keras.Input((4,))
    with pytest.raises(convert.UnsupportedLayerError, match=r"'own' \(Mine\)"):
        stock_model(keras.Model(inputs, Mine(name="own")(inputs)))


def test_frozen_layers_stay_frozen():
    case = layer_case("grad_lr_mult_zero")
    model = keras_fcn.from_caffe(case.prototxt, case.weights)
    frozen = {name for name, _ in model.card.frozen}
    assert frozen
    stock = with_stock_layers(model)
    assert {x.name for x in stock.layers if x.weights and not x.trainable_weights} == frozen


def test_the_command_line(tmp_path):
    path = tmp_path / "net.keras"
    assert main(["export", "lenet", "-o", str(path), "--stock"]) == 0
    assert _modules(path) <= {"keras", "builtins"}
    assert main(["export", "lenet", "-o", str(tmp_path / "x.onnx"), "--stock"]) == 1
    assert main(["export", "lenet", "-o", str(tmp_path / "net.py")]) == 0
    assert "def lenet(" in (tmp_path / "net.py").read_text()


def test_options_of_other_forms_are_refused(tmp_path):
    model = keras_fcn.LeNet()
    with pytest.raises(ValueError, match="no such options"):
        keras_fcn.export(model, tmp_path / "served", stock=True)
    with pytest.raises(ValueError, match="input_shapes are for stock=True"):
        keras_fcn.export(model, tmp_path / "x.keras", input_shapes={"data": (1, 1, 28, 28)})


@pytest.mark.slow
def test_without_keras_fcn(tmp_path):
    model = keras_fcn.LeNet()
    keras_fcn.export(model, tmp_path / "net.keras", stock=True)
    x = np.random.default_rng(1).random((3, 28, 28, 1), np.float32)
    np.save(tmp_path / "in.npy", x)
    files = [tmp_path / name for name in ("net.keras", "in.npy", "out.npy")]
    subprocess.run([sys.executable, "-c", _PREDICT, *files], check=True, timeout=240)
    np.testing.assert_allclose(np.load(files[2]), model.predict(x, verbose=0), atol=1e-6)


@pytest.mark.parametrize("layer", [keras_fcn.PixelwiseSoftmax, keras.layers.ReLU])
def test_a_layer_whose_call_was_exchanged(layer):
    image = keras.Input((4, 4, 3))
    layer = layer(name="odd")
    model = keras.Model(image, layer(image))
    layer.call = lambda x: 5 * x
    for export in (stock_model, keras_fcn.to_code):
        with pytest.raises(convert.CaffeError, match=r"has a call of its own.*layer 'odd'"):
            export(model)
