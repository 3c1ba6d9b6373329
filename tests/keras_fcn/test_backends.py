"""Models do the same on every Keras backend; these tests run on each."""

from __future__ import annotations

import tomllib

import keras
import numpy as np
import onnxruntime
import pytest

import keras_fcn
from keras_fcn.cli import main
from keras_fcn.core.model import CaffeFunctional
from keras_fcn.errors import BackendError
from keras_fcn.layers._largest import largest
from tests.golden import REPOSITORY, layer_case
from tests.keras_fcn.models.checks import randomize

BACKEND = keras.backend.backend()
OTHER = pytest.mark.skipif(BACKEND == "tensorflow", reason="of the other backends")
NORM = {"local_size": 3, "alpha": 0.1}


def small(size=None):
    """A network with what the backends have forms of their own for."""
    x = inputs = keras.Input((size, size, 3), name="data")
    x = keras.layers.Conv2D(8, 3, padding="same", name="conv1")(x)
    x = keras_fcn.layers.LocalResponseNormalization(**NORM, name="norm1")(x)
    x = keras.layers.ReLU(name="relu1")(x)
    x, mask = keras_fcn.layers.CaffeMaxPooling2D(2, strides=2, return_mask=True, name="pool1")(x)
    x = keras_fcn.layers.GroupedConv2D(8, 3, padding="same", groups=2, name="conv2")(x)
    x = keras_fcn.layers.Upsample(name="up")([x, mask])
    x = keras_fcn.layers.Deconvolution(4, 4, strides=2, padding=1, name="score")(x)
    model = CaffeFunctional(inputs, x, name="small")
    randomize(model)
    return model


def images(*shape):
    return np.random.default_rng(0).normal(0, 10, shape).astype("float32")


def classifier():
    layers = [
        keras.Input((8, 8, 1), name="data"),
        keras.layers.Conv2D(4, 3, name="conv1"),
        keras.layers.Flatten(name="flatten"),
        keras.layers.Dense(3, name="ip1"),
    ]
    return keras_fcn.core.model.CaffeSequential(layers, name="classifier")


def test_groups_without_tensorflow_are_the_dependencies():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    needs = project["project"]["dependencies"]
    others = [need for need in needs if not need.startswith("tensorflow")]
    assert len(others) == len(needs) - 1
    assert project["dependency-groups"]["without-tensorflow"] == others


def test_predict_is_a_pass_for_images_of_any_size():
    model = small()
    for size in (8, 12, 8):
        x = images(3, size, size, 3)
        expected = keras.ops.convert_to_numpy(keras.Model(model.inputs[0], model.outputs[0])(x))
        actual = model.predict(x, batch_size=2, verbose=0)
        np.testing.assert_allclose(actual, expected, atol=1e-5 * np.abs(expected).max())
        assert isinstance(actual, np.ndarray)
    # A program for all sizes, none, or one for each size and length of a batch.
    assert model._passes.traces == {"tensorflow": 1, "torch": 0, "jax": 4}[BACKEND]


def test_passes_follow_weights_and_layers():
    model, x = small(), images(1, 8, 8, 3)
    before = model.predict(x, verbose=0)
    model.get_layer("conv1").bias.assign(np.full(8, 3.0, "float32"))
    after = model.predict(x, verbose=0)
    assert not np.allclose(before, after)
    model.get_layer("norm1").alpha = 0.0
    assert not np.allclose(after, model.predict(x, verbose=0))


@pytest.mark.skipif(BACKEND != "jax", reason="JAX compiles for each shape")
def test_programs_of_many_sizes_are_not_all_kept():
    x = inputs = keras.Input((None, None, 1))
    model = CaffeFunctional(inputs, keras.layers.ReLU()(x))
    for size in range(1, 20):
        model.predict(np.zeros((1, size, 1, 1), "float32"), verbose=0)
    assert (model._passes.traces, len(model._passes._programs)) == (19, 16)
    model.predict(np.zeros((1, 19, 1, 1), "float32"), verbose=0)
    assert model._passes.traces == 19


@pytest.mark.skipif(BACKEND != "torch", reason="PyTorch's kernels have an order of their own")
def test_kernels_laid_out_for_pytorch_are_the_same():
    import torch

    model, x = small(), images(1, 8, 8, 3)
    weights = model.get_weights()
    model.predict(x, verbose=0)
    kernel = model.get_layer("conv1").kernel.value
    assert kernel.permute(3, 2, 0, 1).is_contiguous(memory_format=torch.channels_last)
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    # A call may be differentiated, a prediction is not.
    assert model(torch.as_tensor(x)).requires_grad
    with torch.no_grad():
        assert not model(torch.as_tensor(x)).requires_grad


def test_a_cast_network_has_weights_of_its_own():
    model, x = classifier(), images(2, 8, 8, 1)
    cast = keras_fcn.to_fully_convolutional(model)
    wide = keras_fcn.with_output_stride(cast, 1)
    before, classes = cast.predict(x, verbose=0), model.predict(x, verbose=0)
    np.testing.assert_allclose(before[:, 0, 0], classes, rtol=1e-4, atol=1e-5)
    model.compile("sgd", keras.losses.MeanSquaredError())
    model.fit(x, np.zeros((2, 3), "float32"), verbose=0)
    assert not np.allclose(model.predict(x, verbose=0), classes)
    np.testing.assert_array_equal(cast.predict(x, verbose=0), before)
    np.testing.assert_array_equal(wide.predict(x, verbose=0), before)
    assert keras_fcn.replace_head(cast, 5).predict(x, verbose=0).shape == (2, 1, 1, 5)


@pytest.mark.filterwarnings("ignore:.*BVLC Caffe 1.0 lacks layers:convert.CaffeWarning")
@pytest.mark.parametrize("name", ["net.keras", "net.h5", "net.caffemodel", "net.onnx"])
def test_files(name, tmp_path):
    model, x = small(8), images(1, 8, 8, 3)
    expected = model.predict(x, verbose=0)
    path = tmp_path / name
    if name.endswith(".h5"):
        model.save(path)
    else:
        keras_fcn.export(model, path)
    if name.endswith(".onnx"):
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        (actual,) = session.run(None, {session.get_inputs()[0].name: np.moveaxis(x, -1, 1)})
        actual = np.moveaxis(actual, 1, -1)
    elif name.endswith(".caffemodel"):
        actual = keras_fcn.from_caffe(path.with_suffix(".prototxt"), path).predict(x, verbose=0)
    else:
        actual = keras_fcn.load(path).predict(x, verbose=0)
    np.testing.assert_allclose(actual, expected, atol=1e-5 * np.abs(expected).max())


@OTHER
def test_constructed_networks_start_with_finite_statistics():
    model = keras_fcn.MobileNet(input_shape=(32, 32, 3), classes=3)
    assert np.isfinite(model.predict(images(1, 32, 32, 3), verbose=0)).all()


def test_equal_elements_come_in_their_order():
    values, places = largest(keras.ops.convert_to_tensor([[1.0, 3.0, 3.0, 2.0, 3.0]]), 3)
    assert keras.ops.convert_to_numpy(values).tolist() == [[3, 3, 3]]
    assert keras.ops.convert_to_numpy(places).tolist() == [[1, 2, 4]]


def test_a_place_outside_of_the_map_is_an_error_or_lost():
    layer = keras_fcn.layers.Upsample(name="up")
    x, mask = np.ones((1, 1, 1, 1), "float32"), np.full((1, 1, 1, 1), 9.0, "float32")
    if BACKEND == "jax":  # which raises nothing in a program
        assert not keras.ops.convert_to_numpy(layer([x, mask])).any()
        return
    with pytest.raises(ValueError, match="'up': the mask has places outside of the 2 x 2 output"):
        layer([x, mask])


@pytest.mark.skipif(BACKEND != "torch", reason="PyTorch's names")
def test_a_dot_in_a_name_is_refused_by_pytorch():
    case = layer_case("names_odd")
    refusal = r"net\.prototxt:8: layer 'block/1x1-a\.b' .*PyTorch takes no dot"
    with pytest.raises(keras_fcn.errors.UnsupportedLayerError, match=refusal):
        keras_fcn.from_caffe(case.prototxt, case.weights)


@OTHER
@pytest.mark.parametrize("name", ["served", "net.tflite"])
def test_what_tensorflow_writes_is_refused(name, tmp_path):
    with pytest.raises(BackendError, match=rf"needs TensorFlow.*Received: Keras on {BACKEND}"):
        keras_fcn.export(small(), tmp_path / name)


@OTHER
def test_what_tensorflow_reads_is_refused(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(BackendError, match=r"the SavedModel .* needs TensorFlow"):
        keras_fcn.load(tmp_path)
    with pytest.raises(BackendError, match="pycaffe's Net needs TensorFlow"):
        keras_fcn.Net(layer_case("conv_k1").prototxt)


def test_a_command(tmp_path, capsys):
    keras_fcn.export(small(8), tmp_path / "net.keras")
    arguments = ["export", str(tmp_path / "net.keras"), "--output", str(tmp_path / "net.onnx")]
    assert main(arguments) == 0
    assert (tmp_path / "net.onnx").exists()
    assert "keras-fcn runs on " in capsys.readouterr().err


@pytest.mark.skipif(BACKEND != "jax", reason="the setting is JAX's")
def test_programs_of_jax_follow_its_precision():
    import jax

    model = keras_fcn.LeNet()
    image = np.zeros((1, 28, 28, 1), np.float32)
    for precision in ("default", "highest", "default"):
        with jax.default_matmul_precision(precision):
            model.predict(image, verbose=0)
    assert model._passes.traces == 2
