"""ONNX files in onnxruntime, which is not needed to write them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from keras_fcn.caffe.errors import CaffeError


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


def opened(file: bytes | str | Path) -> Any:
    """A session of onnxruntime on the CPU, which prints nothing.

    Args:
        file: a path, or a file's content.

    Raises:
        CaffeError: onnxruntime is not installed.
    """
    onnxruntime = runtime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    source = file if isinstance(file, bytes) else str(file)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
