"""Networks in ncnn."""

from __future__ import annotations

from pathlib import Path

from keras_fcn.caffe.ncnn import ncnn_net
from keras_fcn.caffe.ncnn.running import NcnnSession, opened
from keras_fcn.caffe.surgery.net import TrainedNet
from keras_fcn.engines.forms import Form

__all__ = ["file_form", "net_form"]


def net_form(net: TrainedNet, threads: int | None = None) -> Form:
    """A Caffe network in ncnn, which takes images one by one."""
    blobs = {name: list(net.params.peek(name)) for name in net.params}
    return _form(opened(ncnn_net(net.network, blobs), threads))


def file_form(path: Path, threads: int | None = None) -> Form:
    """A `.param` file of the converter, beside which its `.bin` file lies.

    Raises:
        CaffeError: ncnn does not read it.
    """
    return _form(opened(path, threads))


def _form(session: NcnnSession) -> Form:
    outputs = {name: output.shape for name, output in session.outputs.items()}
    return Form(session.inputs, outputs, session.run, session.metadata)
