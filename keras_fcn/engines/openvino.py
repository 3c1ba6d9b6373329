"""Networks in OpenVINO, by their ONNX form."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.onnx import write_onnx
from keras_fcn.caffe.surgery.net import TrainedNet
from keras_fcn.engines.forms import Array, Form, Sizes
from keras_fcn.engines.onnxruntime import trained_onnx

__all__ = ["PRECISIONS", "file_form", "net_form"]

PRECISIONS: Mapping[str, str] = {"float32": "f32", "bfloat16": "bf16"}
"""Precision -> OpenVINO's word; unless it is told, OpenVINO takes the processor's fastest one."""


def net_form(net: TrainedNet, threads: int | None = None, precision: str = "float32") -> Form:
    """A Caffe network in OpenVINO."""
    onnx = trained_onnx(net)
    with tempfile.TemporaryDirectory(prefix="keras_fcn_openvino_") as folder:
        path, *_ = write_onnx(Path(folder) / "net.onnx", onnx)
        compiled = _compiled(path, threads, precision)
    return Form(onnx.inputs, onnx.outputs, partial(_run, compiled, Lock(), str(net.network.path)))


def file_form(path: Path, threads: int | None = None, precision: str = "float32") -> Form:
    """An ONNX file in OpenVINO.

    Raises:
        CaffeError: OpenVINO does not read it.
    """
    compiled = _compiled(path, threads, precision)
    inputs, outputs = _shapes(compiled.inputs), _shapes(compiled.outputs)
    return Form(inputs, outputs, partial(_run, compiled, Lock(), str(path)))


def _shapes(ports: Any) -> dict[str, Sizes]:
    return {
        port.any_name: tuple(
            None if size.is_dynamic else size.get_length() for size in port.partial_shape
        )
        for port in ports
    }


def _compiled(path: Path, threads: int | None, precision: str) -> Any:
    import openvino

    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": PRECISIONS[precision]}
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads
    try:
        return openvino.Core().compile_model(str(path), "CPU", settings)
    except RuntimeError as error:
        raise CaffeError(f"{path}: OpenVINO does not read it: {_line(error)}") from error


def _run(compiled: Any, lock: Lock, path: str, fed: Mapping[str, Array]) -> dict[str, Array]:
    read = {name for port in compiled.inputs for name in port.names}
    with lock:  # the arrays are the request's own memory, which the next call writes to
        try:
            made = compiled({name: array for name, array in fed.items() if name in read})
        except RuntimeError as error:
            raise CaffeError(f"{path}: OpenVINO does not run it: {_line(error)}") from error
        return {port.any_name: made[port].copy() for port in compiled.outputs}


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
