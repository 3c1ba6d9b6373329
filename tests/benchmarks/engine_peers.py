"""Peers of our engines, each on the Caffe files themselves or on our ONNX form of them.

A runner takes a batch (N, H, W, 3), and gives a function that computes the output, channels last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import convert
from keras_fcn.caffe.layers.convolution import Convolution
from keras_fcn.caffe.layers.deconvolution import Deconvolution
from keras_fcn.caffe.layers.inner_product import InnerProduct
from keras_fcn.caffe.surgery.editing import resize
from keras_fcn.caffe.surgery.net import open_net

Runner = Callable[[np.ndarray], Callable[[], np.ndarray]]


def peers(prototxt: Path, caffemodel: Path, threads: int) -> Iterator[tuple[str, Runner]]:
    """The peers that are installed; each reads the network when it is first given images."""
    graph = prototxt.with_suffix(".onnx")
    if not graph.exists():
        convert.convert(prototxt, caffemodel, graph, fold=True)
    if find_spec("onnxruntime") is not None:
        yield "onnxruntime", lambda x: _onnxruntime(graph, threads)(x)
    if find_spec("cv2") is not None:
        yield "OpenCV", lambda x: _opencv(prototxt, caffemodel, threads)(x)
    if find_spec("openvino") is not None:
        yield "OpenVINO", lambda x: _openvino(graph, threads)(x)
    if find_spec("ncnn") is not None:
        yield "ncnn", lambda x: _ncnn(prototxt, caffemodel, threads)(x)


def _first(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def _last(y: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(y, 1, -1)) if y.ndim > 2 else y


def _onnxruntime(graph: Path, threads: int) -> Runner:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    (source, *_) = session.get_inputs()
    return lambda x: lambda: _last(session.run(None, {source.name: _first(x)})[0])


def _openvino(graph: Path, threads: int) -> Runner:
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    compiled = openvino.Core().compile_model(str(graph), "CPU", settings)
    return lambda x: lambda: _last(np.array(compiled(_first(x))[0]))


def _opencv(prototxt: Path, caffemodel: Path, threads: int) -> Runner:
    import cv2

    cv2.setNumThreads(threads)
    net = cv2.dnn.readNetFromCaffe(str(prototxt), str(caffemodel))

    def runner(x: np.ndarray) -> Callable[[], np.ndarray]:
        def call() -> np.ndarray:
            net.setInput(_first(x))
            return _last(net.forward())

        return call

    return runner


def _ncnn(prototxt: Path, caffemodel: Path, threads: int) -> Runner:
    import ncnn

    param = prototxt.with_suffix(".param")
    if not param.exists():
        convert.convert(prototxt, caffemodel, param, fold=True)
    net = ncnn.Net()
    net.opt.num_threads = threads
    for option in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(net.opt, f"use_{option}", False)
    net.load_param(str(param))
    net.load_model(str(param.with_suffix(".bin")))
    source, target = net.input_names()[0], net.output_names()[0]

    def runner(x: np.ndarray) -> Callable[[], np.ndarray]:
        def one(image: np.ndarray) -> np.ndarray:
            extractor = net.create_extractor()
            extractor.input(source, ncnn.Mat(image))
            return np.array(extractor.extract(target)[1])

        return lambda: _last(np.stack([one(image) for image in _first(x)]))

    return runner


def multiply_adds(prototxt: Path, size: tuple[int, int]) -> int:
    """Of the convolutions and inner products, for one image."""
    net = open_net(prototxt, seed=0)
    ((name, (_, channels, *declared)),) = net.network.input_shapes.items()
    if tuple(declared) != size:
        net = resize(net, {name: (1, channels, *size)})
    total = 0
    for layer in net.network.layers:
        kernel = math.prod((layer.weight_shapes or [()])[0])
        if isinstance(layer.params, Deconvolution):
            total += kernel * math.prod(layer.bottoms[0].shape[2:])
        elif isinstance(layer.params, Convolution):
            total += kernel * math.prod(layer.tops[0].shape[2:])
        elif isinstance(layer.params, InnerProduct):
            total += kernel
    return total
