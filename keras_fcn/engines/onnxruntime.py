"""Networks in onnxruntime."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.onnx import OnnxNet, chunks, messages, onnx_net, write_onnx
from keras_fcn.caffe.onnx.running import opened
from keras_fcn.caffe.onnx.writing import LARGEST
from keras_fcn.caffe.surgery.net import TrainedNet
from keras_fcn.engines.forms import Array, Form

__all__ = ["file_form", "net_form", "opened_net", "trained_onnx"]


def trained_onnx(net: TrainedNet) -> OnnxNet:
    """The ONNX form of a network with its weights."""
    return onnx_net(net.network, {name: list(net.params.peek(name)) for name in net.params})


def opened_net(net: OnnxNet, threads: int | None = None) -> Any:
    """A session of onnxruntime; large weights take the way of a file."""
    parts = chunks(net)
    if messages.size(parts) <= LARGEST:
        return opened(b"".join(parts), threads)
    with tempfile.TemporaryDirectory(prefix="keras_fcn_onnx_") as folder:
        path, *_ = write_onnx(Path(folder) / "net.onnx", net)
        return opened(path, threads)


def net_form(net: TrainedNet, threads: int | None = None) -> Form:
    """A Caffe network in onnxruntime."""
    onnx = trained_onnx(net)
    run = partial(_run, opened_net(onnx, threads), net.network.path)
    return Form(onnx.inputs, onnx.outputs, run)


def file_form(path: Path, threads: int | None = None) -> Form:
    """An ONNX file in onnxruntime.

    Raises:
        CaffeError: onnxruntime does not read it.
    """
    try:
        session = opened(path, threads)
    except CaffeError:
        raise
    except Exception as error:  # of many kinds, all of onnxruntime's own
        raise CaffeError(f"{path}: onnxruntime does not read it: {_line(error)}") from error
    for given in session.get_inputs():
        if given.type == "tensor(uint8)":
            raise CaffeError(
                f"{path}: input {given.name!r} takes images of 8 bits, which the file prepares "
                "itself; that is for other programs: write it without preprocessing inside"
            )
    return Form(
        {x.name: tuple(x.shape) for x in session.get_inputs()},
        {x.name: tuple(x.shape) for x in session.get_outputs()},
        partial(_run, session, str(path)),
        session.get_modelmeta().custom_metadata_map,
    )


def _run(session: Any, path: str, fed: Mapping[str, Array]) -> dict[str, Array]:
    read = {x.name for x in session.get_inputs()}
    names = [x.name for x in session.get_outputs()]
    try:
        made = session.run(names, {name: array for name, array in fed.items() if name in read})
    except Exception as error:  # of many kinds, all of onnxruntime's own
        raise CaffeError(f"{path}: onnxruntime does not run it: {_line(error)}") from error
    return dict(zip(names, made, strict=True))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
