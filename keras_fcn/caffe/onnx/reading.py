"""An ONNX file looked at before a program opens it: whether it is whole, and what else it reads.

Field numbers: `onnx.proto` of github.com/onnx/onnx.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from keras_fcn.caffe.errors import CaffeError, WeightsError
from keras_fcn.caffe.io import wire
from keras_fcn.caffe.onnx.messages import DATA_TYPES
from keras_fcn.caffe.records import dataclass

_GRAPH, _OPSETS = 7, 8  # of ModelProto
_NODE, _INITIALIZER = 1, 5  # of GraphProto
_OUTPUT, _ATTRIBUTE = 2, 5  # of NodeProto
_TENSOR, _SUBGRAPH, _TENSORS, _SUBGRAPHS = 5, 6, 10, 11  # of AttributeProto
_DIMS, _TYPE, _NAME, _RAW, _EXTERNAL, _LOCATION = 1, 2, 8, 9, 13, 14  # of TensorProto
_KEY, _VALUE = 1, 2
_DOMAIN, _VERSION = 1, 2
_DEEPEST = 16
"""Graphs within graphs."""
_ITEM_BYTES = {number: np.dtype(name).itemsize for name, number in DATA_TYPES.items()}


@dataclass(frozen=True)
class _Message:
    """A part of a file."""

    data: memoryview
    start: int
    stop: int

    def fields(self) -> Iterator[wire.Field]:
        return wire.fields(self.data, self.start, self.stop)

    def inner(self, *numbers: int) -> Iterator[_Message]:
        """The messages in some of its fields."""
        for field in self.fields():
            if field.number in numbers and field.wire_type == wire.BYTES:
                yield _Message(self.data, field.start, field.stop)

    def numbers(self, number: int) -> list[int]:
        """The whole numbers in a field, packed or not."""
        found = []
        for field in self.fields():
            if field.number != number:
                continue
            if field.wire_type == wire.VARINT:
                found.append(field.value)
                continue
            at = field.start
            while at < field.stop:
                value, at = wire.read_varint(self.data, at, field.stop)
                found.append(value)
        return found

    def text(self, number: int) -> str:
        """The text in a field."""
        return next((part.decoded for part in self.inner(number)), "")

    @property
    def decoded(self) -> str:
        """The part itself as text."""
        return bytes(self.data[self.start : self.stop]).decode("utf-8", "replace")


def check_file(path: str | Path) -> int:
    """Refuse an ONNX file that is cut, lies about its sizes, or reads files elsewhere.

    Args:
        path: the file.

    Returns:
        The version of ONNX' operators that it uses; 0: it does not say.

    Raises:
        CaffeError: it cannot be read, is damaged, a constant has another size than its bytes,
            or lies in a file that is not there, is too short, or is outside of the folder.
    """
    with _model(path) as model:
        return _checked(Path(path), model)


def has_weights_beside(path: str | Path) -> bool:
    """Whether a constant of an ONNX file lies in another one, which only the file's path leads to.

    Raises:
        CaffeError: the file cannot be read, or is damaged.
    """
    with _model(path) as model:
        tensors = (tensor for graph in model.inner(_GRAPH) for tensor in _tensors(graph, 0))
        return any(_is_outside(tensor) for tensor in tensors)


def made_tensors(path: str | Path) -> list[str]:
    """The tensors that the nodes of an ONNX file make, in order; not those of inner graphs.

    Raises:
        CaffeError: the file cannot be read, or is damaged.
    """
    with _model(path) as model:
        nodes = (node for graph in model.inner(_GRAPH) for node in graph.inner(_NODE))
        names = (name.decoded for node in nodes for name in node.inner(_OUTPUT))
        return [name for name in names if name]


@contextlib.contextmanager
def _model(path: str | Path) -> Iterator[_Message]:
    """The whole of a file."""
    path = Path(path)
    try:
        with (
            path.open("rb") as file,
            _mapped(file.fileno(), path) as data,
            memoryview(data) as view,
        ):
            yield _Message(view, 0, len(view))
    except OSError as error:
        raise CaffeError(f"cannot read {path}: {error.strerror or error}") from error
    except (WeightsError, RecursionError) as error:
        raise CaffeError(f"{path}: is cut or damaged, or no ONNX file: {error}") from error


def _mapped(handle: int, path: Path) -> mmap.mmap:
    try:
        return mmap.mmap(handle, 0, access=mmap.ACCESS_READ)
    except ValueError as error:
        raise CaffeError(f"{path}: is empty") from error


def _checked(path: Path, model: _Message) -> int:
    graphs = list(model.inner(_GRAPH))
    if not graphs:
        raise CaffeError(f"{path}: is cut, or no ONNX file: it has no graph")
    for graph in graphs:
        for tensor in _tensors(graph, 0):
            _check_tensor(path, tensor)
    own = [x for x in model.inner(_OPSETS) if x.text(_DOMAIN) in ("", "ai.onnx")]
    return max((version for x in own for version in x.numbers(_VERSION)), default=0)


def _tensors(graph: _Message, depth: int) -> Iterator[_Message]:
    """All constants, those of nodes and of their graphs too."""
    if depth > _DEEPEST:
        raise WeightsError(f"graphs within graphs, {depth} deep")
    yield from graph.inner(_INITIALIZER)
    for node in graph.inner(_NODE):
        for attribute in node.inner(_ATTRIBUTE):
            yield from attribute.inner(_TENSOR, _TENSORS)
            for inner in attribute.inner(_SUBGRAPH, _SUBGRAPHS):
                yield from _tensors(inner, depth + 1)


def _check_tensor(path: Path, tensor: _Message) -> None:
    kind = (tensor.numbers(_TYPE) or [0])[0]
    if kind not in _ITEM_BYTES:
        return
    name = tensor.text(_NAME)
    needed = math.prod(tensor.numbers(_DIMS)) * _ITEM_BYTES[kind]
    if _is_outside(tensor):
        _check_outside(path, name, tensor, needed)
        return
    for raw in tensor.inner(_RAW):
        if raw.stop - raw.start != needed:
            raise CaffeError(
                f"{path}: constant {name!r} needs {needed} bytes for its shape, and has "
                f"{raw.stop - raw.start}; the file is damaged"
            )


def _is_outside(tensor: _Message) -> bool:
    return tensor.numbers(_LOCATION) == [1]


def _check_outside(path: Path, name: str, tensor: _Message, needed: int) -> None:
    told = {entry.text(_KEY): entry.text(_VALUE) for entry in tensor.inner(_EXTERNAL)}
    folder, location = path.absolute().parent, told.get("location", "")
    file = Path(os.path.normpath(folder / location))
    if not location or file == folder or not file.is_relative_to(os.path.normpath(folder)):
        raise CaffeError(
            f"{path}: constant {name!r} lies in {location!r}, outside of the file's folder; "
            "such a file is not to be trusted"
        )
    if not file.is_file():
        raise CaffeError(f"{path}: {location} is missing, which holds its weights; put it beside")
    try:
        offset = int(told.get("offset", 0))
        length = int(told.get("length", needed))
    except ValueError as error:
        raise CaffeError(f"{path}: constant {name!r} tells no place: {error}") from error
    if length != needed or offset < 0 or offset + length > file.stat().st_size:
        raise CaffeError(
            f"{path}: constant {name!r} needs {needed} bytes from {offset} on of {location}, which "
            f"has {file.stat().st_size}; the files are damaged, or do not belong together"
        )
