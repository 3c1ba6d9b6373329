"""OpenCV's scripts with the import changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import convert
from keras_fcn import dnn
from keras_fcn.caffe.surgery import open_net
from keras_fcn.dnn.detections import as_in_opencv
from tests.golden import assert_close, layer_case
from tests.keras_fcn.caffe.onnx.cases import opencv_environment
from tests.reference_nets import reference_net

PROTOTXT = """
name: "small"
input: "data"
input_shape { dim: 1 dim: 3 dim: 12 dim: 16 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "score" type: "Convolution" bottom: "pool" top: "score"
  convolution_param { num_output: 2 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "score" top: "prob" }
layer { name: "prior" type: "PriorBox" bottom: "pool" bottom: "data" top: "prior"
  prior_box_param { min_size: 4 variance: 0.1 } }
"""


@pytest.fixture
def files(tmp_path) -> tuple[str, str]:
    text, caffemodel = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    text.write_text(PROTOTXT)
    open_net(text, seed=0).save(tmp_path / "again.prototxt", caffemodel)
    return str(text), str(caffemodel)


@pytest.fixture
def net(files) -> dnn.Net:
    return dnn.readNetFromCaffe(*files)


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)


def test_layers(net):
    assert net.getLayerNames() == ("conv", "relu", "pool", "score", "prob", "prior")
    assert net.getUnconnectedOutLayersNames() == ("prob", "prior")
    assert net.getUnconnectedOutLayers().tolist() == [5, 6]
    assert (net.getLayerId("pool"), net.getLayerId("data")) == (3, -1)
    layer = net.getLayer(1)
    assert (layer.name, layer.type, layer.id) == ("conv", "Convolution", 1)
    assert [blob.shape for blob in layer.blobs] == [(4, 3, 3, 3), (4,)]
    assert not net.empty()
    assert net.getLayer("relu").blobs == ()


def test_each_layer_gives_its_own(net):
    """In Caffe a layer in place leaves nothing of the one before; OpenCV has both."""
    net.setInput(images(2, 3, 12, 16))
    conv, relu = net.forward(["conv", "relu"])
    assert conv.min() < 0
    np.testing.assert_array_equal(relu, np.maximum(conv, 0))
    assert net.forward("pool").shape == (2, 4, 6, 8)
    assert net.forward().shape == (1, 2, 4 * 6 * 8)
    assert net.getPerfProfile()[0] > 0


@pytest.mark.parametrize("size", [(12, 16), (9, 11), (30, 24)])
def test_any_size(size, net, files):
    x = images(1, 3, *size)
    net.setInput(x)
    prob, prior = net.forward(["prob", "prior"])
    fixed = convert.load_network(files[0], input_shapes={"data": (3, *size)})
    assert prob.shape[1:] == fixed.blobs["prob"].shape[1:]
    assert prior.shape == fixed.blobs["prior"].shape
    net.setInput(images(1, 3, 12, 16))
    assert net.forward("prob").shape == (1, 2, 6, 8)


def test_detections_are_in_opencvs_order():
    rows = [[1, 1, 0.3], [0, 1, 0.5], [0, 2, 0.9], [0, 2, 0.4], [1, 2, 0.8]]
    caffe = np.float32([[*row, 0, 0, 1, 1] for row in rows])[None, None]
    found = as_in_opencv(caffe, 3, 2)
    assert found.shape == (1, 1, 6, 7)
    assert found[0, 0, :, :2].tolist() == [[0, 2], [0, 1], [0, 2], [1, 2], [1, 1], [0, 0]]
    none = np.float32([[0, *[-1] * 6]])[None, None]
    np.testing.assert_array_equal(as_in_opencv(none, 1, 3), np.zeros((1, 1, 3, 7)))
    assert as_in_opencv(caffe, 3, -1).shape == (1, 1, 5, 7)


@pytest.mark.slow
def test_mobilenet_ssd_is_opencvs(tmp_path):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    if not hasattr(cv2.dnn, "readNetFromCaffe"):
        pytest.skip("this OpenCV reads no Caffe files")
    reference = reference_net("mobilenet_ssd")
    given = str(reference.prototxt), str(reference.write_weights(tmp_path))
    found = []
    for reader in (dnn, cv2.dnn):
        net = reader.readNetFromCaffe(*given)
        net.setInput(np.concatenate([reference.inputs["data"]] * 2))
        found.append(net.forward())
    ours, theirs = found
    assert ours.shape == theirs.shape
    for image in (0, 1):  # near ties may swap rows
        one, other = (x[0, 0][x[0, 0][:, 0] == image] for x in found)
        near = np.abs(one[:, None] - other).max(axis=-1) < 1e-3
        assert near.any(axis=0).mean() >= 0.98
        assert near.any(axis=1).mean() >= 0.98


def test_mean_and_scale(net):
    x = images(1, 3, 12, 16)
    net.setInput((x - np.float32([1, 2, 3]).reshape(3, 1, 1)) * np.float32(0.5))
    wanted = net.forward("conv")
    net.setInput(x, "data", 0.5, (1, 2, 3))
    assert_close(net.forward("conv"), wanted)
    net.setInput(x, mean=4, scalefactor=0.5)  # the first channel alone
    first = net.forward("conv")
    net.setInput((x - np.float32([4, 0, 0]).reshape(3, 1, 1)) * np.float32(0.5))
    assert_close(net.forward("conv"), first)


def test_parameters(net):
    net.setInput(images(1, 3, 12, 16))
    before = net.forward("conv")
    net.setParam("conv", 1, net.getParam("conv", 1) + 1)
    assert_close(net.forward("conv"), before + 1)
    with pytest.raises(ValueError, match="the blob has shape"):
        net.setParam("conv", 1, np.zeros(3))
    with pytest.raises(convert.CaffeError, match="has 2 blobs"):
        net.getParam("conv", 2)


def test_content_of_files(files):
    text, weights = (Path(file).read_bytes() for file in files)
    x = images(1, 3, 12, 16)
    found = []
    for given in [files, (text, weights), (bytearray(text), np.frombuffer(weights, np.uint8))]:
        net = dnn.readNetFromCaffe(*given)
        net.setInput(x)
        found.append(net.forward("prob"))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_read_net(files):
    for given in [files, files[::-1]]:
        assert dnn.readNet(*given).getLayerId("prob") == 5
    assert dnn.readNet(files[0], framework="Caffe").getLayerId("prob") == 5
    with pytest.raises(convert.CaffeError, match="a prototxt and a caffemodel"):
        dnn.readNet(files[1])


def test_what_is_missing_is_told(net):
    with pytest.raises(convert.CaffeError, match="setInput has not fed data"):
        net.forward()
    with pytest.raises(convert.CaffeError, match="the inputs are data"):
        net.setInput(images(1, 3, 4, 4), "image")
    with pytest.raises(convert.CaffeError, match="has 4 axes"):
        net.setInput(images(3, 12, 16))
    net.setInput(images(1, 5, 12, 16))
    with pytest.raises(convert.CaffeError, match="cannot take"):
        net.forward()
    net.setInput(images(1, 3, 12, 16))
    with pytest.raises(convert.CaffeError, match="no layer 'odd'"):
        net.forward("odd")


def test_patch(files, monkeypatch):
    fake = ModuleType("cv2")
    fake.dnn = SimpleNamespace(readNet=lambda *given: given)
    monkeypatch.setitem(sys.modules, "cv2", fake)
    for _ in range(2):
        dnn.patch_opencv()
    assert isinstance(fake.dnn.readNetFromCaffe(*files), dnn.Net)
    assert isinstance(fake.dnn.readNet(*files[::-1]), dnn.Net)
    assert fake.dnn.readNet("net.onnx") == ("net.onnx", "", "")
    assert dnn.readNetFromCaffe is fake.dnn.readNetFromCaffe
    fake.dnn.NMSBoxes = "opencv's"
    assert dnn.NMSBoxes == "opencv's"


@pytest.mark.slow
def test_an_installed_opencv_reads_caffe_again(files):
    """In a process of its own; OpenCV 5 has no reader, and that of 4 is replaced."""
    program = f"""
import cv2, numpy as np
from keras_fcn import dnn
dnn.patch_opencv()
text, weights = {files!r}
contents = [open(file, "rb").read() for file in (text, weights)]
nets = (
    cv2.dnn.readNetFromCaffe(text, weights),
    cv2.dnn.readNetFromCaffe(prototxt=text, caffeModel=weights),
    cv2.dnn.readNetFromCaffe(bufferProto=contents[0], bufferModel=contents[1]),
    cv2.dnn.readNetFromCaffe(*(np.frombuffer(each, np.uint8) for each in contents)),
    cv2.dnn.readNet(weights, text),
    cv2.dnn.readNet(text, weights, "caffe"),
)
image = np.random.default_rng(0).integers(0, 256, (12, 16, 3)).astype(np.uint8)
for net in nets:
    net.setInput(cv2.dnn.blobFromImage(image, 1 / 255, (16, 12), (104, 117, 123)))
found = [net.forward("prob") for net in nets]
assert found[0].shape == (1, 2, 6, 8), found[0].shape
assert all(np.array_equal(each, found[0]) for each in found)
"""
    environment = opencv_environment()
    here = str(Path(__file__).parents[3])
    environment["PYTHONPATH"] = os.pathsep.join([environment.get("PYTHONPATH", ""), here])
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)


def test_without_opencv(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(AttributeError, match="pip install opencv"):
        dnn.blobFromImage  # noqa: B018
    with pytest.raises(convert.CaffeError, match="OpenCV is not installed"):
        dnn.patch_opencv()


def test_an_input_is_an_output_too(tmp_path):
    case = layer_case("relu_inplace")
    net = dnn.readNetFromCaffe(str(case.prototxt))
    ((name, array),) = case.inputs.items()
    net.setInput(array, name)
    assert_close(net.forward(), case.outputs[name])


@pytest.mark.slow
def test_neither_tensorflow_nor_keras(files):
    program = (
        "import sys; from keras_fcn import dnn; import numpy as np; "
        f"net = dnn.readNetFromCaffe(*{files!r}); net.setInput(np.ones((1, 3, 12, 16))); "
        "net.forward(); print({'tensorflow', 'keras'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["conv", "relu", "pool", "score", "prob"])
def test_opencv_gives_the_same(name, files):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    if not hasattr(cv2.dnn, "readNetFromCaffe"):
        pytest.skip("this OpenCV reads no Caffe files")
    ours, theirs = dnn.readNetFromCaffe(*files), cv2.dnn.readNetFromCaffe(*files)
    for net in (ours, theirs):
        net.setInput(images(1, 3, 12, 16))
    assert_close(ours.forward(name), theirs.forward(name), 1e-5)
