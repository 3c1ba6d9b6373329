"""Whole networks as other programs than onnxruntime read them, each where it is installed."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from keras_fcn.caffe.blobs.caffemodel import CaffeModel
from keras_fcn.caffe.net.network import Network
from tests.keras_fcn.caffe.onnx.cases import opencv_environment, run, written
from tests.keras_fcn.caffe.onnx.test_reference_nets import blobs_of
from tests.reference_nets import reference_net

NETS = ["lenet", "lenet_full_conv", "bvlc_caffenet_full_conv", "bvlc_googlenet", "fcn8s"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_openvino(name, tmp_path):
    """In float32: of itself it rounds to bfloat16 where the processor has that."""
    openvino = pytest.importorskip("openvino")
    net = reference_net(name)

    def through(network: Network, model: CaffeModel) -> dict:
        file = tmp_path / "net.onnx"
        file.write_bytes(written(network, model))
        compiled = openvino.Core().compile_model(
            str(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
        )
        found = compiled({x.any_name: net.inputs[x.any_name] for x in compiled.inputs})
        return {output.any_name: np.array(found[output]) for output in compiled.outputs}

    net.assert_blobs(blobs_of(net, tmp_path, through))


_BY_OPENCV = """
import json, sys
import cv2, numpy as np
folder, outputs = sys.argv[1], json.loads(sys.argv[2])
net = cv2.dnn.readNetFromONNX(folder + "/net.onnx")
with np.load(folder + "/inputs.npz") as inputs:
    for name in inputs:
        net.setInput(inputs[name], name)
np.savez(folder + "/outputs.npz", *net.forward(outputs))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", [*NETS, "dilation8_pascal_voc"])
def test_opencv(name, tmp_path):
    """In a process of its own, as it may crash; of one size, and the last blob alone."""
    environment = opencv_environment()
    net = reference_net(name)

    def through(network: Network, model: CaffeModel) -> dict:
        outputs = [network.layers[-1].tops[0].name]
        network = network.with_outputs(outputs)
        data = written(network, model, fixed=network.input_shapes)
        (tmp_path / "net.onnx").write_bytes(data)
        np.savez(tmp_path / "inputs.npz", **net.inputs)
        command = [sys.executable, "-c", _BY_OPENCV, str(tmp_path), json.dumps(outputs)]
        subprocess.run(command, check=True, capture_output=True, timeout=120, env=environment)
        with np.load(tmp_path / "outputs.npz") as arrays:
            found = dict(zip(outputs, arrays.values(), strict=True))
        wanted = run(data, net.inputs)
        for output, array in found.items():
            off = np.abs(array - wanted[output]).max()
            assert off <= 1e-4 * np.abs(wanted[output]).max()
        return {}

    blobs_of(net, tmp_path, through)
