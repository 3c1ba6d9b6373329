"""ONNX files with layers that ONNX has no operators for, computed in Python."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.net.saving import NETWORK_NAME, from_text
from keras_fcn.caffe.onnx.custom import DOMAIN
from keras_fcn.caffe.onnx.reading import check_file

if TYPE_CHECKING:
    from keras_fcn.inference.one_layer import OneLayer

__all__ = ["custom_session", "onnx_evaluator"]


def onnx_evaluator(path: str | os.PathLike[str]) -> Any:
    """A file's evaluator, which knows the nodes that `custom=True` has kept.

    It is `onnx.reference.ReferenceEvaluator`: `run(None, {"data": array})` gives the outputs. It is
    there to be right and not to be fast; each node of our domain becomes its Caffe layer in Keras.

    Args:
        path: an `.onnx` file.

    Raises:
        CaffeError: the file is damaged, or the package `onnx` is not installed.

    Example:
        ```python
        convert.convert("deploy.prototxt", "net.caffemodel", "net.onnx", custom=True)
        boxes = keras_fcn.onnx_evaluator("net.onnx").run(None, {"data": images})
        ```
    """
    check_file(os.fspath(path))
    try:
        import onnx
        from onnx.reference import ReferenceEvaluator
    except ImportError as error:
        raise CaffeError("the evaluator is that of onnx: pip install onnx") from error
    model = onnx.load(os.fspath(path))
    types = {node.op_type for node in model.graph.node if node.domain == DOMAIN}
    if not types:
        return ReferenceEvaluator(model)
    told = {entry.key: entry.value for entry in model.metadata_props}
    if NETWORK_NAME not in told:
        raise CaffeError(f"{path}: has layers of the domain {DOMAIN}, and does not tell whose")
    from keras_fcn.inference.one_layer import OneLayer

    one_layer = OneLayer(from_text(told[NETWORK_NAME], str(path)))
    return ReferenceEvaluator(model, new_ops=[_operator(x, one_layer) for x in sorted(types)])


def custom_session(path: str | os.PathLike[str]) -> Any:
    """An evaluator with the methods of an onnxruntime session; None where that one can run it."""
    evaluator = onnx_evaluator(path)
    return _Session(evaluator) if DOMAIN in evaluator.opsets else None


class _Session:
    """What is asked of a session, by an evaluator."""

    def __init__(self, evaluator: Any) -> None:
        self._evaluator = evaluator
        self.run = evaluator.run

    def get_inputs(self) -> list[SimpleNamespace]:
        """Inputs with their names and shapes; a size that is free is no number."""
        types = zip(self._evaluator.input_names, self._evaluator.input_types, strict=True)
        return [SimpleNamespace(name=name, shape=_sizes(kind)) for name, kind in types]

    def get_outputs(self) -> list[SimpleNamespace]:
        """Outputs with their names."""
        return [SimpleNamespace(name=name) for name in self._evaluator.output_names]


def _sizes(kind: Any) -> list[int | str]:
    axes = kind.tensor_type.shape.dim
    return [axis.dim_value or axis.dim_param for axis in axes]


def _operator(op_type: str, one_layer: OneLayer) -> type[Any]:
    """What computes the nodes of a Caffe layer type."""
    from onnx.reference.op_run import OpRun

    def run(
        _: Any, *arrays: np.ndarray, layer: str = "", prototxt: str = ""
    ) -> tuple[np.ndarray, ...]:
        own = one_layer.network.layer(layer)
        count = len(own.bottoms)
        return tuple(one_layer(own, arrays[count:], arrays[:count]))

    return type(op_type, (OpRun,), {"op_domain": DOMAIN, "_run": run})
