"""Write a network as ONNX, run it in onnxruntime, and compare it with what Caffe gave."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import convert
from keras_fcn.caffe.net.fillers import fill_blobs
from keras_fcn.caffe.net.fitting import fit_weights
from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.onnx import chunks, onnx_net
from tests.golden import REPOSITORY, LayerCase


def session(data: bytes | Path) -> Any:
    """A file, or its bytes, in onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    source = data if isinstance(data, bytes) else str(data)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def written(
    network: Network, weights: Mapping[str, Sequence[np.ndarray]] | None = None, **how: Any
) -> bytes:
    """A network's file; what has no weights is filled as Caffe does."""
    fitted = fit_weights(network, weights) if weights else {}
    net = onnx_net(network, fill_blobs(network, 0, fitted) | fitted, **how)
    return b"".join(map(bytes, chunks(net)))


def run(data: bytes | Path, fed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs of a file, by name."""
    opened = session(data)
    names = [output.name for output in opened.get_outputs()]
    inputs = {x.name: np.asarray(fed[x.name], np.float32) for x in opened.get_inputs()}
    return dict(zip(names, opened.run(None, inputs), strict=True))


def of_case(case: LayerCase) -> tuple[Network, Mapping[str, Any]]:
    """A case's network, all recorded blobs as its outputs, and its weights."""
    weights = {} if case.weights is None else convert.load_weights(case.weights)
    shapes = {name: [blob.shape for blob in blobs] for name, blobs in weights.items()} or None
    network = convert.load_network(case.prototxt, shapes=shapes, **case.state)
    if not network.unnamed:
        network = network.with_outputs([name for name in case.outputs if name in network.blobs])
    return network, weights


def opencv_environment() -> dict[str, str]:
    """For a process that imports OpenCV, the installed one or what `KERAS_FCN_OPENCV` names."""
    if other := os.environ.get("KERAS_FCN_OPENCV"):
        folder = REPOSITORY / other
        return {**os.environ, "PYTHONPATH": str(folder)}
    if find_spec("cv2") is None:
        pytest.skip("OpenCV is not installed: pip install --group bench")
    return dict(os.environ)
