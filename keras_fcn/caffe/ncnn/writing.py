"""An ncnn graph -> its two files: `.param`, the layers as text, and `.bin`, the weights.

Formats: `docs/developer-guide/param-and-model-file-structure.md` of github.com/Tencent/ncnn.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.io.files import atomic_write
from keras_fcn.caffe.ncnn.graph import LayerGraph
from keras_fcn.caffe.ncnn.net import NcnnNet
from keras_fcn.caffe.nodes.graph import Graph, Node, free
from keras_fcn.version import __version__

MAGIC = "7767517"
NOTES = "Noop keras_fcn 0 0 0="
"""What begins the last line, which ncnn does not read: what the file tells beside its layers."""
_ARRAY = -23300
_LONGEST = 255
"""Bytes of a name."""


def param_text(net: NcnnNet, metadata: Mapping[str, str] | None = None) -> str:
    """The text of a network's `.param` file.

    Args:
        net: the network.
        metadata: what the file tells beside.

    Raises:
        UnsupportedLayerError: a name is longer than ncnn reads.
    """
    nodes = list(with_splits(net))
    made = Counter(word(name) for node in nodes for name in node.outputs)
    blobs, (name, count) = made.total(), made.most_common(1)[0]
    if count > 1:
        raise UnsupportedLayerError(f"{name!r}: several blobs have this name but for spaces")
    lines = [MAGIC, f"{len(nodes)} {blobs}", *map(_line, nodes), _notes(net, metadata or {})]
    return "\n".join(lines) + "\n"


def weight_chunks(net: NcnnNet) -> list[memoryview]:
    """The bytes of a network's `.bin` file; those of its arrays, without a copy."""
    return [
        array.reshape(-1).view(np.uint8).data
        for node in with_splits(net)
        for array in node.weights
        if array.size
    ]


def write_ncnn(
    path: str | Path, net: NcnnNet, *, metadata: Mapping[str, str] | None = None
) -> tuple[Path, Path]:
    """Write a network's two files.

    Args:
        path: the `.param` file; both appear whole or not at all.
        net: the network.
        metadata: what the file tells beside.

    Returns:
        The files.

    Raises:
        CaffeError: a file cannot be written, or a name is longer than ncnn reads.
    """
    path, weights = Path(path), beside(path)
    text = param_text(net, metadata)
    with ExitStack() as files:  # the first to be renamed is the last
        file = files.enter_context(atomic_write(path))
        data = files.enter_context(atomic_write(weights))
        file.write(text.encode())
        data.writelines(weight_chunks(net))
    return path, weights


def beside(path: str | Path) -> Path:
    """The file with the weights."""
    return Path(path).with_suffix(".bin")


def with_splits(net: NcnnNet) -> Iterator[Node]:
    """The layers that lead to the outputs, with a Split behind each tensor of several readers.

    An output is read once by whoever runs the network, who has what is an input. It keeps its
    name.
    """
    graph = net.graph.without_unread(list(net.outputs))
    scope, names = LayerGraph(Graph(names=set(graph.names)), ""), set(graph.node_names)
    readers = Counter(name for node in graph.nodes for name in node.inputs)
    given: dict[str, Iterator[str]] = {}
    sources = [
        Node("Input", [], [name], free(name, names), scope.sizes(_fixed(shape)))
        for name, shape in net.inputs.items()
    ]
    for node in (*sources, *graph.nodes):
        inputs = [next(given.get(name, iter([name]))) for name in node.inputs]
        outputs, splits = list(node.outputs), []
        for place, name in enumerate(node.outputs):
            is_output = name in net.outputs and name not in net.inputs
            count = readers[name] + is_output
            if count < 2:
                continue
            inner = scope.graph.free_name(f"{name}/whole") if is_output else name
            parts = [scope.graph.free_name(f"{name}/{number}") for number in range(readers[name])]
            given[name] = iter(parts.copy())
            outputs[place] = inner
            parts += [name] * is_output
            splits.append(Node("Split", [inner], parts, free(f"{name}/split", names), {}))
        yield Node(node.op_type, inputs, outputs, node.name, node.attributes, node.weights)
        yield from splits


def _fixed(shape: Sequence[int | None]) -> Sequence[int | None]:
    """The sizes that an Input declares: all but the batch, or none."""
    sizes = shape[1:]
    return (None,) * len(sizes) if None in sizes else sizes


def _line(node: Node) -> str:
    try:
        settings = [_setting(number, value) for number, value in node.attributes.items()]
    except UnsupportedLayerError as error:
        raise UnsupportedLayerError(f"layer {node.name!r}: {error}") from error
    words = [node.op_type, word(node.name), str(len(node.inputs)), str(len(node.outputs))]
    words += map(word, (*node.inputs, *node.outputs))
    return " ".join([*words, *settings])


def word(name: str) -> str:
    """A name as ncnn has it, without spaces.

    Raises:
        UnsupportedLayerError: it is too long.
    """
    if len(name.encode("utf-8", "surrogateescape")) > _LONGEST:
        raise UnsupportedLayerError(
            f"{name[:40]!r}...: a name of {len(name)} letters; ncnn reads {_LONGEST} bytes"
        )
    return re.sub(r"\s", "_", name) or "_"


def _setting(number: int, value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"{_ARRAY - number}={','.join([str(len(value)), *map(_number, value)])}"
    return f"{number}={_number(value)}"


def _number(value: float) -> str:
    """A number as ncnn reads it: with a point or an exponent it is a float.

    Raises:
        UnsupportedLayerError: ncnn reads no such number.
    """
    if not math.isfinite(value):
        raise UnsupportedLayerError(f"a setting of {value}, which ncnn does not read")
    return f"{value:.9e}" if isinstance(value, float) else str(int(value))


def _notes(net: NcnnNet, metadata: Mapping[str, str]) -> str:
    """The last line, behind the layers: JSON without spaces and equals signs in texts."""
    told = {
        "name": net.name,
        "inputs": {name: list(shape) for name, shape in net.inputs.items()},
        "outputs": {
            name: {"shape": list(output.shape), "holds": output.holds}
            for name, output in net.outputs.items()
        },
        "metadata": dict(metadata),
        "bytes": sum(map(len, weight_chunks(net))),
        "version": __version__,
    }
    text = json.dumps(told, separators=(",", ":"))
    return NOTES + text.replace(" ", "\\u0020").replace("=", "\\u003d")
