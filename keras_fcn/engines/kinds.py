"""The engines, by name, and the rule for `engine="auto"`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.layers.convolution import Convolution
from keras_fcn.caffe.layers.inner_product import InnerProduct
from keras_fcn.caffe.layers.mobile import DepthwiseConvolution
from keras_fcn.caffe.layers.upsample import SegNetUpsample
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.surgery.folding import fold_batch_norm
from keras_fcn.caffe.surgery.net import TrainedNet
from keras_fcn.engines.forms import Form, Forms

__all__ = [
    "ENGINES",
    "PRECISIONS",
    "TENSORFLOW",
    "Asked",
    "Choice",
    "choice",
    "file_form",
    "forms",
    "require",
]

TENSORFLOW = "tensorflow"
PRECISIONS: Mapping[str, tuple[str, ...]] = {
    "float32": (TENSORFLOW, "onnxruntime", "ncnn", "openvino"),
    "bfloat16": ("openvino",),
}
"""Precision -> the engines that have it."""
ENGINES: Mapping[str, str] = {"onnxruntime": ".onnx", "ncnn": ".param", "openvino": ".onnx"}
"""Engine, which is the name of its package and of its module here -> files that it reads."""


class Asked(NamedTuple):
    """Wishes for an engine.

    Attributes:
        engine: one of `ENGINES`, `"tensorflow"` or `"auto"`.
        precision: one of `PRECISIONS`.
        threads: how many the engine uses; None: as many as there are cores.
    """

    engine: str = "auto"
    precision: str = "float32"
    threads: int | None = None


class Choice(NamedTuple):
    """Engines for a network.

    Attributes:
        one: for images one by one.
        several: for batches.
    """

    one: str
    several: str


def choice(network: Network) -> Choice:
    """The engines that are the fastest for a network, by its layers; nothing is timed.

    ncnn multiplies less in convolutions of 3 x 3. onnxruntime is ahead where each channel is
    convolved by itself, has unpooling, and multiplies the vectors of a batch at once.
    """
    if any(map(_is_depthwise, network.layers)):
        return Choice("onnxruntime", "onnxruntime")
    products = any(isinstance(layer.params, InnerProduct) for layer in network.layers)
    return Choice("ncnn", "onnxruntime" if products else "ncnn")


def _is_depthwise(layer: Layer) -> bool:
    params = layer.params
    if isinstance(params, DepthwiseConvolution | SegNetUpsample):
        return True
    return isinstance(params, Convolution) and 1 < params.group == params.num_output


def require(engine: str) -> None:
    """Require that an engine is installed.

    Raises:
        CaffeError: it is not; the message has the line that installs it.
    """
    if find_spec(engine) is None:
        raise CaffeError(f"engine={engine!r} needs a package: pip install {engine}")


def forms(net: TrainedNet, asked: Asked, *, fold: bool = True) -> Forms[Form]:
    """A network in an engine, for inputs of any size.

    Args:
        net: the network.
        asked: the engine, one of `ENGINES`.
        fold: whether what normalizes channels is folded into convolutions.

    Raises:
        CaffeError: the engine is not installed, or cannot run a layer.
    """
    require(asked.engine)
    make = import_module(f"keras_fcn.engines.{asked.engine}").net_form
    return Forms(fold_batch_norm(net) if fold else net, partial(make, **_told(asked)))


def file_form(path: Path, asked: Asked) -> Form:
    """A file of an engine's own, ready to run.

    Raises:
        CaffeError: the engine is not installed, or does not read the file.
    """
    require(asked.engine)
    form: Form = import_module(f"keras_fcn.engines.{asked.engine}").file_form(path, **_told(asked))
    return form


def _told(asked: Asked) -> dict[str, Any]:
    lower = {} if asked.precision == "float32" else {"precision": asked.precision}
    return {"threads": asked.threads, **lower}
