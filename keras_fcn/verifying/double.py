"""A network in float64, by ONNX's reference evaluator: what float32 itself makes of its blobs."""

from __future__ import annotations

import functools
import math
import time
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.onnx import OPSETS, chunks
from keras_fcn.verifying.references import Subject
from keras_fcn.verifying.references.own import OwnForm
from keras_fcn.verifying.report import Array

SECONDS = 10.0
"""What the blobs of a pass may take, where nobody asks for more."""
_MOST_BYTES = 512 << 20
"""What one node may take for what it multiplies, with that bound."""
_PER_PRODUCT = 2e-10
_PER_ELEMENT: Mapping[str, float] = {
    "AveragePool": 2e-5,
    "GatherND": 5e-6,
    "Loop": 1e-3,
    "MaxPool": 5e-6,
    "Resize": 1e-6,
    "RoiAlign": 1e-3,
    "Scan": 1e-3,
    "ScatterND": 5e-6,
}
"""Seconds that each element of the input, or of a strided window's output, takes about."""
_PER_SPREAD = 5e-6
"""Seconds that each product which a ConvTranspose spreads takes about."""
_PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_TYPED = frozenset({"to", "dtype"})
"""Attributes that name a type."""


class Doubles:
    """The blobs of a network's ONNX form in float64, made node by node as they are asked for.

    It has those that its operators allow and, within a bound, that take no more than `SECONDS`.

    Args:
        subject: the network.
        inputs: what it is fed, in Caffe's axis order.
        names: the blobs in the order in which they may be asked for.
        bounded: whether it stops where it would take long.

    Attributes:
        lacking: why it lacks blobs: the first reason; empty where it lacks none.
    """

    def __init__(
        self,
        subject: Subject,
        inputs: Mapping[str, Array],
        names: Sequence[str],
        *,
        bounded: bool = True,
    ) -> None:
        self.lacking = (
            "" if find_spec("onnx") else "the package onnx is not there: pip install onnx"
        )
        self._bounded, self._left = bounded, SECONDS
        self._names = list(names)
        self._tensors: Mapping[str, str] = {}
        if self.lacking:
            return
        try:
            own = OwnForm(subject)
            form, tensors = own.form({name: array.shape for name, array in inputs.items()})
        except CaffeError as error:
            self.lacking = str(error)
            return
        self._tensors = {name: tensors[name] for name in names if name in tensors}
        self._values: dict[str, Array] = {
            name: np.asarray(inputs[name], np.float64) for name in form.inputs
        }
        self._constants = form.graph.constants
        nodes = _nodes(form)
        self._nodes = iter(nodes)
        self._reads = Counter(x for node in nodes for x in _read(node))
        self._failed: set[str] = set()
        self.lacking = "; ".join(own.notes)

    def of(self, name: str) -> Array | None:
        """A blob; None where it lacks it. Those before it are not asked for any more."""
        while self._names and self._names[0] != name:
            self._names.pop(0)
        tensor = self._tensors.get(name)
        if tensor is None:
            return None
        wanted = {self._tensors.get(x) for x in self._names}
        self._forget(list(self._values), wanted)
        while self._value(tensor) is None and tensor not in self._failed:
            node = next(self._nodes, None)
            if node is None:
                return None
            self._make(node)
            read = _read(node)
            self._reads.subtract(read)
            self._forget([*read, *node.output], wanted)
        return self._value(tensor)

    def _forget(self, tensors: Iterable[str], wanted: Container[str | None]) -> None:
        """Drop those that neither a node nor a blob needs any more."""
        for tensor in tensors:
            if self._reads[tensor] <= 0 and tensor not in wanted:
                self._values.pop(tensor, None)

    def _make(self, node: Any) -> None:
        """Make what a node gives, or remember that it cannot be made."""
        read = {x: self._value(x) for x in _read(node)}
        if any(x in self._failed for x in read):
            self._failed.update(node.output)
            return
        given = {x: y for x, y in read.items() if y is not None}
        why = self._too_much(node, given) if self._bounded else ""
        start = time.monotonic()
        try:
            made = {} if why else _evaluated(node, given)
        except Exception as error:  # the evaluator's operators are NumPy code, and raise as that
            text = " ".join(str(error).split())[:120]
            why, made = f"its {node.op_type} raised {type(error).__name__}: {text}", {}
        self._left -= time.monotonic() - start
        self._values.update(made)
        if why:
            self._failed.update(node.output)
            self.lacking = self.lacking or f"from node {node.name!r} on, as {why}"

    def _value(self, name: str) -> Array | None:
        if name in self._constants:
            return _double(self._constants[name])
        return self._values.get(name)

    def _too_much(self, node: Any, read: Mapping[str, Array]) -> str:
        """Why a node is not made within the bounds; empty where it is."""
        seconds, size = _cost(node, [read[x] for x in node.input if x in read])
        if size > _MOST_BYTES:
            return f"its {node.op_type} takes about {size >> 20} MiB"
        if seconds > self._left:
            return f"its {node.op_type} takes longer than the {SECONDS:g} s that are given to it"
        return ""


def _nodes(form: Any) -> Sequence[Any]:
    """The nodes of a form as ONNX' messages, of float64."""
    import onnx

    read = form.graph.without_unread(list(form.outputs))
    bare = replace(form, graph=replace(read, constants={}))
    nodes = onnx.load_from_string(b"".join(chunks(bare, OPSETS[0]))).graph.node
    for node in nodes:
        _widen(node)
    return list(nodes)


def _widen(node: Any) -> None:
    """Let a node, and the graphs in it, work in float64."""
    from onnx import TensorProto, numpy_helper

    def widened(tensor: Any) -> None:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(_double(numpy_helper.to_array(tensor))))

    for attribute in node.attribute:
        if attribute.name in _TYPED and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.DOUBLE
        if attribute.HasField("t"):
            widened(attribute.t)
        for constant in attribute.g.initializer:
            name = constant.name
            widened(constant)
            constant.name = name
        for inner in attribute.g.node:
            _widen(inner)


def _read(node: Any) -> set[str]:
    """Names of the tensors that a node reads, in the graphs within it too."""
    found = set(node.input)
    for attribute in node.attribute:
        graph = attribute.g
        own = {x.name for x in (*graph.input, *graph.initializer)}
        own |= {x for inner in graph.node for x in inner.output}
        found |= {x for inner in graph.node for x in _read(inner)} - own
    return found - {""}


def _evaluated(node: Any, read: Mapping[str, Array]) -> dict[str, Array]:
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    names = [name for name in node.output if name]
    ends = [
        [helper.make_tensor_value_info(x, TensorProto.DOUBLE, None) for x in each]
        for each in (read, names)
    ]
    graph = helper.make_graph([node], "node", *ends)
    with np.errstate(all="ignore"):
        evaluator = ReferenceEvaluator(graph, opsets={"": OPSETS[0]}, new_ops=[_lrn()])
        made = evaluator.run(names, dict(read))
    return dict(zip(names, made, strict=True))


@functools.cache
def _lrn() -> type:
    """LRN as ONNX tells it: the evaluator's own sums over as many channels as the batch has."""
    from onnx.reference.op_run import OpRun

    class LRN(OpRun):  # type: ignore[misc]  # the operator's name is the class's
        def _run(self, x: Array, alpha: float, beta: float, bias: float, size: int) -> tuple[Array]:
            lead = (size - 1) // 2
            around = [(0, 0), (lead, size - 1 - lead)] + [(0, 0)] * (x.ndim - 2)
            squares = np.pad(x * x, around)
            sums = sum(squares[:, i : i + x.shape[1]] for i in range(size))
            return (x / (bias + alpha / size * sums) ** beta,)

    return LRN


def _cost(node: Any, read: Sequence[Array]) -> tuple[float, int]:
    """Seconds and bytes that a node takes, roughly."""
    if not read:
        return 0.0, 0
    strides = next((x.ints for x in node.attribute if x.name == "strides"), ())
    moves = read[0].size / (math.prod(strides) if node.op_type != "ConvTranspose" else 1)
    seconds = moves * _PER_ELEMENT.get(node.op_type, 2e-8)
    size = sum(x.nbytes for x in read)
    if node.op_type in _PRODUCTS and len(read) > 1:
        channels = max(read[0].shape[1] if read[0].ndim > 1 else 1, 1)
        rows = moves / channels if read[0].ndim > 2 else read[0].shape[0]
        seconds += rows * read[1].size * _PER_PRODUCT
        columns = rows * read[1].size / max(read[1].shape[0], 1)
        if read[0].ndim > 2:
            size += int(8 * columns)
        if node.op_type == "ConvTranspose":
            seconds += columns * _PER_SPREAD
    return seconds, size


def _double(array: Array) -> Array:
    return np.asarray(array, np.float64) if array.dtype == np.float32 else array
