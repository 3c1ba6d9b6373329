"""An ONNX graph -> a file, and a second one beside it where the weights are large."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.io.files import atomic_write
from keras_fcn.caffe.nodes.graph import Graph, Node
from keras_fcn.caffe.onnx import messages
from keras_fcn.caffe.onnx.graph import Subgraph
from keras_fcn.caffe.onnx.walk import OnnxNet, Size
from keras_fcn.version import __version__

Array = npt.NDArray[Any]

OPSETS = range(13, 18)
"""Those whose operators are the ones that are written."""
_IR_VERSIONS = {13: 7, 14: 7, 15: 8, 16: 8, 17: 8}
LARGEST = (1 << 31) - 1
"""Bytes that a protobuf message may have."""
_ALIGNED = 4096
_SMALL = 1024
"""Bytes of a constant that stays in the file, where runtimes want some to be."""

_MATRIX = (None, None)
_AS_BEFORE: Mapping[str, tuple[int, Mapping[str, Any]]] = {
    "RoiAlign": (16, {"coordinate_transformation_mode": "output_half_pixel"}),
}
"""Attributes that, from a version of ONNX' operators on, keep one as it was."""


def chunks(
    net: OnnxNet,
    opset: int = OPSETS[0],
    metadata: Mapping[str, str] | None = None,
    places: Mapping[str, tuple[str, int]] | None = None,
) -> messages.Chunks:
    """The bytes of a network's file.

    Args:
        net: the network.
        opset: version of ONNX' operators, one of `OPSETS`.
        metadata: what the file tells beside.
        places: constant -> the other file that holds it, and where it begins there.

    Raises:
        ValueError: the opset is another one.
    """
    check_opset(opset)
    read = net.graph.without_unread(list(net.outputs))
    graph = _graph(net.name, read, net.inputs, net.outputs, opset, places, net.dtypes)
    version = _IR_VERSIONS[opset]
    domains = dict.fromkeys(node.domain for node in read.nodes if node.domain)
    return messages.model(graph, opset, version, "keras_fcn", metadata or {}, __version__, domains)


def _graph(
    name: str,
    graph: Graph,
    inputs: Mapping[str, Sequence[Size]],
    outputs: Mapping[str, Sequence[Size] | None],
    opset: int,
    places: Mapping[str, tuple[str, int]] | None = None,
    dtypes: Mapping[str, str] | None = None,
) -> messages.Chunks:
    """A graph as ONNX' message; what goes in and out is float32 where no other type is told."""
    places, dtypes = places or {}, dtypes or {}
    return messages.graph(
        name,
        (_node(node, opset) for node in graph.nodes),
        (messages.tensor(x, array, places.get(x)) for x, array in graph.constants.items()),
        *(
            (
                messages.value_info(name, dtypes.get(name, "float32"), sizes)
                for name, sizes in ends.items()
            )
            for ends in (inputs, outputs)
        ),
    )


def _node(node: Node, opset: int) -> messages.Chunks:
    """A node as ONNX' message."""
    since, settings = _AS_BEFORE.get(node.op_type, (0, {}))
    attributes = {**node.attributes, **settings} if opset >= since else node.attributes
    attributes = {name: _attribute(value, opset) for name, value in attributes.items()}
    return messages.node(
        *(node.op_type, node.inputs, node.outputs, node.name, attributes, node.domain)
    )


def _attribute(value: Any, opset: int) -> Any:
    if not isinstance(value, Subgraph):
        return value
    inputs, outputs = (dict.fromkeys(names, _MATRIX) for names in (value.inputs, value.outputs))
    return messages.Subgraph(_graph(value.name, value.graph, inputs, outputs, opset))


def check_opset(opset: int) -> None:
    """Refuse a version of ONNX' operators that is not written.

    Raises:
        ValueError: it is not one of `OPSETS`.
    """
    if opset not in OPSETS:
        raise ValueError(f"opset must be one of {[*OPSETS]}. Received: {opset}")


def write_onnx(
    path: str | Path,
    net: OnnxNet,
    *,
    opset: int = OPSETS[0],
    metadata: Mapping[str, str] | None = None,
) -> tuple[Path, ...]:
    """Write a network as ONNX.

    A file of 2 GiB or more, which protobuf does not allow, leaves its constants to another
    one beside it, of its name and `.data`.

    Args:
        path: the file; it appears whole or not at all.
        net: the network.
        opset: version of ONNX' operators, 13 to 17.
        metadata: what the file tells beside.

    Returns:
        The files.

    Raises:
        CaffeError: a file cannot be written.
        ValueError: the opset is another one.
    """
    path = Path(path)
    parts = chunks(net, opset, metadata)
    if messages.size(parts) <= LARGEST:
        with atomic_write(path) as file:
            file.writelines(parts)
        return (path,)
    weights = beside(path)
    places = {name: (weights.name, offset) for name, offset, _ in _outside(net)}
    with ExitStack() as files:  # the first to be renamed is the last
        file = files.enter_context(atomic_write(path))
        data = files.enter_context(atomic_write(weights))
        file.writelines(chunks(net, opset, metadata, places))
        for _, offset, array in _outside(net):
            data.seek(offset)
            data.write(array.reshape(-1).view(np.uint8).data)
    return path, weights


def beside(path: str | Path) -> Path:
    """The second file, with the weights, of a large network."""
    return Path(f"{path}.data")


def _outside(net: OnnxNet) -> Iterator[tuple[str, int, Array]]:
    """The constants that go into a second file, and where they begin in it."""
    offset = 0
    for name, array in net.graph.without_unread(list(net.outputs)).constants.items():
        if array.nbytes > _SMALL:
            yield name, offset, array
            offset = -(-(offset + array.nbytes) // _ALIGNED) * _ALIGNED
