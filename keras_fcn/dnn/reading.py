"""Caffe's files -> a `Net`, by OpenCV's functions."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.surgery.net import open_net
from keras_fcn.dnn.net import Net

_WEIGHTS = (".caffemodel", ".binaryproto")
_NETS = (".prototxt", ".pbtxt", ".txt")

Source = str | Path | bytes | bytearray | memoryview | np.ndarray


def readNetFromCaffe(  # noqa: N802
    prototxt: Source | None = None,
    caffeModel: Source | None = None,  # noqa: N803
    *,
    bufferProto: Source | None = None,  # noqa: N803
    bufferModel: Source | None = None,  # noqa: N803
) -> Net:
    """Read a Caffe network; OpenCV's function of this name.

    Args:
        prototxt: the definition: a path, or the file's content as bytes.
        caffeModel: the weights, the same; None: what the fillers give.
        bufferProto: OpenCV's name of `prototxt` where it is content.
        bufferModel: OpenCV's name of `caffeModel` where it is content.

    Raises:
        CaffeError: a file is wrong, or a layer has no ONNX form.
        ValueError: there is no definition.
    """
    prototxt = bufferProto if prototxt is None else prototxt
    caffeModel = bufferModel if caffeModel is None else caffeModel  # noqa: N806
    with _file(prototxt, ".prototxt") as text, _file(caffeModel, ".caffemodel") as weights:
        if text is None:
            raise ValueError("a prototxt must be given. Received: None")
        return Net(open_net(text, weights))


def readNet(model: str, config: str = "", framework: str = "") -> Any:  # noqa: N802
    """Read a network of any framework: Caffe's here, others by OpenCV.

    Args:
        model: the weights or the definition.
        config: the other one.
        framework: its name; by default the endings tell.

    Raises:
        CaffeError: a file is wrong, or OpenCV, which reads other files, is not installed.
    """
    files = [str(file) for file in (model, config) if file]
    if framework.lower() == "caffe" or any(file.endswith(_WEIGHTS[0]) for file in files):
        nets = [file for file in files if not file.endswith(_WEIGHTS)]
        weights = [file for file in files if file.endswith(_WEIGHTS)]
        if len(nets) != 1 or len(weights) > 1:
            raise CaffeError(
                f"a prototxt and a caffemodel make a Caffe network. Received: {', '.join(files)}"
            )
        return readNetFromCaffe(nets[0], weights[0] if weights else None)
    return _opencv().dnn.readNet(model, config, framework)


def patch_opencv() -> None:
    """Give an installed OpenCV its `cv2.dnn.readNetFromCaffe` back, and Caffe to `readNet`.

    Raises:
        CaffeError: OpenCV is not installed.
    """
    cv2 = _opencv()
    original = getattr(cv2.dnn, "_readNet", cv2.dnn.readNet)

    def read(model: str, config: str = "", framework: str = "") -> Any:
        is_caffe = framework.lower() == "caffe" or any(
            str(file).endswith(_WEIGHTS[0]) for file in (model, config)
        )
        return (readNet if is_caffe else original)(model, config, framework)

    cv2.dnn._readNet = original
    cv2.dnn.readNetFromCaffe, cv2.dnn.readNet = readNetFromCaffe, read


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise CaffeError("OpenCV is not installed: pip install opencv-python-headless") from error
    return cv2


@contextlib.contextmanager
def _file(source: Source | None, ending: str) -> Iterator[Path | None]:
    """A path to what may be content."""
    if source is None or isinstance(source, str | Path):
        yield None if source is None or not str(source) else Path(source)
        return
    content = source.tobytes() if isinstance(source, np.ndarray) else bytes(source)
    with tempfile.TemporaryDirectory(prefix="keras_fcn_dnn_") as folder:
        path = Path(folder) / f"buffer{ending}"
        path.write_bytes(content)
        yield path
