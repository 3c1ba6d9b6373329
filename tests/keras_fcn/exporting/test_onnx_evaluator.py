"""ONNX files with nodes of our own domain."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import convert
import keras_fcn
from keras_fcn.caffe.errors import CaffeError, UnsupportedLayerError
from keras_fcn.caffe.surgery import open_net
from keras_fcn.cli import main
from tests.golden import assert_close

DETECTNET = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 32 dim: 64 } } }
layer { name: "cvg" type: "Convolution" bottom: "data" top: "cvg" convolution_param {
  num_output: 1 kernel_size: 16 stride: 16 weight_filler { type: "gaussian" std: 0.001 } } }
layer { name: "box" type: "Convolution" bottom: "data" top: "box" convolution_param {
  num_output: 4 kernel_size: 16 stride: 16 weight_filler { type: "gaussian" std: 0.001 }
  bias_filler { type: "constant" value: 6 } } }
layer { name: "cluster" type: "Python" bottom: "cvg" bottom: "box" top: "boxes"
  python_param { module: "caffe.layers.detectnet.clustering" layer: "ClusterDetections"
    param_str: "64, 32, 16, -9, 1, 0.9, 1" } }
"""
UNKNOWN = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "odd" type: "NobodyKnows" bottom: "data" top: "odd" }
"""
IMAGES = np.random.default_rng(0).uniform(-100, 100, (1, 3, 32, 64)).astype(np.float32)


@pytest.fixture
def files(tmp_path):
    prototxt, caffemodel = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    prototxt.write_text(DETECTNET)
    open_net(prototxt, seed=0).save(tmp_path / "again.prototxt", caffemodel)
    return prototxt, caffemodel


def evaluated(path):
    return keras_fcn.onnx_evaluator(path).run(None, {"data": IMAGES})[0]


@pytest.mark.slow
def test_what_onnx_cannot_say_is_kept(files, tmp_path):
    path, again = tmp_path / "net.onnx", tmp_path / "again.onnx"
    assert main(["convert", *map(str, files), "-o", str(path), "--custom", "--quiet"]) == 0
    model = keras_fcn.from_caffe(*files)
    wanted = keras_fcn.blobs(model, {"data": IMAGES})["boxes"]
    assert np.count_nonzero(wanted) > 4
    assert_close(evaluated(path), wanted)
    keras_fcn.export(model, again, custom=True)
    assert_close(evaluated(again), wanted)
    nodes = [node for node in onnx.load(path).graph.node if node.domain]
    assert [(node.op_type, node.domain) for node in nodes] == [("ClusterDetections", "keras_fcn")]
    with pytest.raises(CaffeError, match=r"onnxruntime .* keras_fcn\.onnx_evaluator computes"):
        keras_fcn.optimize_for_inference(path)


def test_it_is_kept_when_that_is_asked_for(files, tmp_path):
    path = tmp_path / "net.onnx"
    with pytest.raises(UnsupportedLayerError, match=r"'cluster' .*; custom=True keeps it"):
        convert.convert(*files, path)
    assert not path.exists()
    with pytest.raises(ValueError, match="custom is for ONNX files"):
        convert.convert(*files, tmp_path / "net.h5", custom=True)


def test_a_type_that_nobody_knows_can_only_be_last(tmp_path):
    prototxt, path = tmp_path / "net.prototxt", tmp_path / "net.onnx"
    prototxt.write_text(UNKNOWN)
    convert.convert(prototxt, None, path, custom=True)
    (node,) = onnx.load(path).graph.node
    assert (node.op_type, [*node.input]) == ("NobodyKnows", ["data"])
    attributes = {each.name: each.s.decode() for each in node.attribute}
    assert attributes["layer"] == "odd"
    assert 'type: "NobodyKnows"' in attributes["prototxt"]
    reader = 'layer { name: "relu" type: "ReLU" bottom: "odd" top: "relu" }'
    prototxt.write_text(UNKNOWN + reader)
    with pytest.raises(UnsupportedLayerError, match=r"'odd' .*not known, which 'relu' reads"):
        convert.convert(prototxt, None, path, custom=True)


@pytest.mark.slow
def test_a_registered_type_is_kept_anywhere(tmp_path):
    @keras_fcn.register("Halved")
    def halved(layer, x):
        import keras

        return keras.layers.Rescaling(0.5, name=layer.keras_name)(x)

    prototxt, path = tmp_path / "net.prototxt", tmp_path / "net.onnx"
    prototxt.write_text(
        'layer { name: "data" type: "Input" top: "data"'
        " input_param { shape { dim: 1 dim: 3 dim: 32 dim: 64 } } }"
        'layer { name: "halved" type: "Halved" bottom: "data" top: "halved" }'
        'layer { name: "relu" type: "ReLU" bottom: "halved" top: "relu" }'
    )
    convert.convert(prototxt, None, path, custom=True)
    assert_close(evaluated(path), np.maximum(IMAGES, 0) / 2)
