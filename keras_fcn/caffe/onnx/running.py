"""ONNX files in onnxruntime, which is not needed to write them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.onnx.custom import DOMAIN
from keras_fcn.caffe.onnx.reading import check_file


def can_run() -> bool:
    """Whether onnxruntime is installed."""
    return find_spec("onnxruntime") is not None


def runtime() -> Any:
    """The package onnxruntime.

    Raises:
        CaffeError: it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise CaffeError("ONNX files run in onnxruntime: pip install onnxruntime") from error
    return onnxruntime


def opened(file: bytes | str | Path, threads: int | None = None) -> Any:
    """A session of onnxruntime on the CPU, which prints nothing.

    Its threads sleep between two calls, so that they do not slow what else the program does.

    Args:
        file: a path, or a file's content.
        threads: how many it uses; None: as many as there are cores.

    Raises:
        CaffeError: onnxruntime is not installed, or does not read the file.
    """
    onnxruntime = runtime()
    opset = 0 if isinstance(file, bytes) else check_file(file)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if threads is not None:
        options.intra_op_num_threads = threads
    source = file if isinstance(file, bytes) else str(file)
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of many kinds, all of onnxruntime's own
        name = "the network" if isinstance(file, bytes) else file
        of = f", a file of opset {opset}" if opset else ""
        if f"{DOMAIN}:" in str(error):
            of += ", whose layers of our own keras_fcn.onnx_evaluator computes"
        raise CaffeError(
            f"{name}: onnxruntime {onnxruntime.__version__} does not read it{of}: "
            f"{str(error).splitlines()[0]}"
        ) from error
