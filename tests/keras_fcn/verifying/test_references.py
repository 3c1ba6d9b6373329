"""References other than dumps, each of them healthy and each with a fault."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.layers import Convolution
from keras_fcn.verifying import NotComparedError
from tests.keras_fcn.verifying.nets import BLOBS


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A network that any program has: without the mask and what is made of it."""
    folder = tmp_path_factory.mktemp("plain")
    path = folder / "plain.prototxt"
    path.write_text(
        """
        name: "plain"
        layer { name: "data" type: "Input" top: "data"
          input_param { shape { dim: 1 dim: 3 dim: 12 dim: 11 } } }
        layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
          convolution_param { num_output: 6 kernel_size: 3 weight_filler { type: "xavier" } } }
        layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
        layer { name: "pool/1" type: "Pooling" bottom: "conv1" top: "pool/1"
          pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
        layer { name: "ip" type: "InnerProduct" bottom: "pool/1" top: "ip"
          inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
        layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
        """
    )
    model = keras_fcn.from_caffe(path, seed=5)
    from keras_fcn.to_caffe import to_caffe

    to_caffe(model).save(folder / "again.prototxt", folder / "plain.caffemodel")
    return path, folder / "plain.caffemodel", model


def compared(report):
    return [x.blob for x in report.compared]


def test_self(net):
    report = keras_fcn.verify(net.prototxt, weights=net.caffemodel)
    assert report.passed
    assert compared(report) == list(BLOBS)
    assert report.results[0].note == "fed to both"
    assert "ONNX form in onnxruntime" in report.reference
    assert keras_fcn.verify(net.model, "self", inputs=net.data).passed


def test_self_finds_what_the_model_lost(net):
    """The second opinion is of the files: a model that differs from them does not pass."""
    from keras_fcn.verifying.references import Subject
    from keras_fcn.verifying.verifying import subject_of, verify_subject

    subject = subject_of(net.prototxt, net.caffemodel)
    model = keras_fcn.from_caffe(net.prototxt, net.caffemodel)
    layer = model.get_layer("ip")
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel[::-1], bias])
    report = verify_subject(Subject(model, subject.net, subject.files))
    assert report.first_departure.blob == "ip"


def test_self_names_what_has_no_onnx_form(net, monkeypatch):
    from keras_fcn.caffe.layers.upsample import SegNetUpsample
    from keras_fcn.caffe.onnx import registry

    monkeypatch.delitem(registry.WRITERS, SegNetUpsample)
    report = keras_fcn.verify(net.model)
    assert report.exit_code == 2
    assert report.unproven == ("up", "sum", "ip", "prob")
    assert compared(report) == ["conv1", "norm/1", "pool1", "mask"]
    (note,) = report.notes
    assert "layer 'up' (Upsample): this type is not written as ONNX" in note


def test_opencv(plain):
    pytest.importorskip("cv2")
    path, weights, model = plain
    report = keras_fcn.verify(path, "opencv", weights=weights)
    assert report.passed
    assert compared(report) == ["conv1", "pool/1", "ip", "prob"]
    assert keras_fcn.verify(model, "opencv").passed


def test_onnx_files(plain, tmp_path):
    """All tensors that are called as blobs are; a file of wrong numbers fails."""
    _, _, model = plain
    for layout in ("channels_first", "channels_last"):
        file = tmp_path / f"{layout}.onnx"
        keras_fcn.export(model, file, layout=layout, check=False)
        report = keras_fcn.verify(model, file)
        assert report.passed, report
        assert "prob" in compared(report)
    assert set(compared(keras_fcn.verify(model, tmp_path / "channels_first.onnx"))) >= {
        "pool/1",
        "ip",
    }
    other = keras.models.clone_model(model)
    other.set_weights([x * 1.1 for x in model.get_weights()])
    keras_fcn.export(other, tmp_path / "other.onnx", check=False)
    report = keras_fcn.verify(model, tmp_path / "other.onnx")
    assert report.exit_code == 1
    assert report.first_departure.layer in ("relu1", "conv1")


def test_words_in_an_onnx_file_hide_no_tensor(plain, tmp_path):
    """Its metadata may say `external` or `location`; whether weights lie beside it is read."""
    classes = ["external", "location", "c", "d", "e"]
    model = keras_fcn.with_card(plain[2], classes=classes)
    keras_fcn.export(model, tmp_path / "words.onnx", check=False)
    report = keras_fcn.verify(model, tmp_path / "words.onnx")
    assert set(compared(report)) >= {"pool/1", "ip", "prob"}


def _port(model, names=("conv1", "relu1", "pool_1", "ip", "prob"), **conv):
    """A port by hand, of Keras' own layers."""
    x = image = keras.Input((12, 11, 3), name="image")
    x = keras.layers.Conv2D(6, 3, name=names[0], **conv)(x)
    if "activation" not in conv:
        x = keras.layers.ReLU(name=names[1])(x)
    x = keras.layers.MaxPooling2D(3, 2, name=names[2])(
        keras.layers.ZeroPadding2D(((0, 1), (0, 0)))(x)
    )
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(5, name=names[3])(x)
    port = keras.Model(image, keras.layers.Softmax(name=names[4])(x))
    port.get_layer(names[0]).set_weights(model.get_layer("conv1").get_weights())
    port.get_layer(names[3]).set_weights(model.get_layer("ip").get_weights())
    return port


def test_ports_to_keras(plain, tmp_path):
    """ReLU is a layer of its own, of any name, or the convolution's activation."""
    _, _, model = plain
    for port in (
        _port(model),
        _port(model, ("conv1", "activation_7", "pool_1", "ip", "prob")),
        _port(model, activation="relu"),
    ):
        report = keras_fcn.verify(model, port)
        assert report.passed, report
        assert compared(report) == ["conv1", "pool/1", "ip", "prob"]
    port.save(tmp_path / "port.keras")
    assert keras_fcn.verify(model, tmp_path / "port.keras").passed
    kernel, bias = port.get_layer("conv1").get_weights()
    port.get_layer("conv1").set_weights([kernel[:, :, ::-1], bias])
    report = keras_fcn.verify(model, port)
    assert report.first_departure.blob == "conv1"
    assert report.exit_code == 1
    with pytest.raises(NotComparedError, match="is of another network, or its layers have other"):
        keras_fcn.verify(model, keras.Sequential([keras.Input((12, 11, 3)), Convolution(2, 3)]))


def test_an_input_is_no_proof(plain, tmp_path):
    """A model with nothing but the input's name is another; one cut short proves a part."""
    _, _, model = plain
    other = keras.Sequential([keras.Input((12, 11, 3), name="data"), Convolution(2, 3)])
    other.save(tmp_path / "other.keras")
    for reference in (other, tmp_path / "other.keras"):
        with pytest.raises(NotComparedError, match="or its layers have other names"):
            keras_fcn.verify(model, reference)
    port = _port(model)
    cut = keras.Model(port.inputs, port.get_layer("ip").output)
    report = keras_fcn.verify(model, cut)
    assert report.exit_code == 2
    assert "as far as 'ip', but the output 'prob' is not in the reference" in report.verdict
    assert report.unproven == ("prob",)


@pytest.mark.slow
def test_other_runtimes(plain, tmp_path):
    _, _, model = plain
    for name in ("saved", "model.tflite"):
        keras_fcn.export(model, tmp_path / name)
        report = keras_fcn.verify(model, tmp_path / name)
        assert report.passed, report
        assert compared(report) == ["prob"]
    other = keras.models.clone_model(model)
    other.set_weights([x * 1.1 for x in model.get_weights()])
    for name in ("saved2", "other.tflite"):
        keras_fcn.export(other, tmp_path / name)
        assert keras_fcn.verify(model, tmp_path / name).exit_code == 1


def test_what_is_no_reference(net, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such reference"):
        keras_fcn.verify(net.model, tmp_path / "none.npz")
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(ValueError, match="a reference is a folder or"):
        keras_fcn.verify(net.model, tmp_path / "x.txt")
    (tmp_path / "x.onnx").write_bytes(b"no model")
    with pytest.raises(CaffeError, match=r"x\.onnx"):
        keras_fcn.verify(net.model, tmp_path / "x.onnx")
    (tmp_path / "x.tflite").write_bytes(b"no model")
    with pytest.raises(NotComparedError, match="cannot load the LiteRT file"):
        keras_fcn.verify(net.model, tmp_path / "x.tflite")


def test_inputs(net):
    """Pictures are fed one after the other; the worst of each blob is told."""
    shape = keras_fcn.Preprocessing(mean=(104, 117, 123), size=(12, 11))
    pictures = np.random.default_rng(0).integers(0, 255, (2, 20, 30, 3), np.uint8)
    report = keras_fcn.verify(net.model, image=pictures, preprocessing=shape)
    assert report.passed
    assert len(report.inputs) == 2
    assert report.picture.shape == (20, 30, 3)
    with pytest.raises(ValueError, match="give one of them"):
        keras_fcn.verify(net.model, image=pictures[0], inputs=net.data)
    with pytest.raises(ValueError, match="does not know how its images are prepared"):
        keras_fcn.verify(net.model, image=pictures[0])
    with pytest.raises(ValueError, match="weights: for a prototxt"):
        keras_fcn.verify(net.model, weights=net.caffemodel)


def test_nan_on_both_sides(plain):
    """Numbers that are NaN here and there prove nothing."""
    model = keras.models.clone_model(plain[2])
    model.set_weights(plain[2].get_weights())
    kernel, bias = model.get_layer("ip").get_weights()
    bias[2] = np.nan
    model.get_layer("ip").set_weights([kernel, bias])
    report = keras_fcn.verify(model)
    assert (report.passed, report.exit_code, report.first_departure) == (False, 2, None)
    assert "the output 'prob' is NaN here and in the reference in 100.00%" in report.verdict
    assert any("NaN, here and in the reference, from 'ip' on" in x for x in report.notes)
    notes = {x.blob: x.note for x in report.results}
    assert "NaN in 1 of 5 entries on both sides" in notes["ip"]
