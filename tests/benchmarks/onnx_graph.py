"""A benchmark's network as an ONNX graph, written node by node from its table.

Straight from Caffe's layers and blobs, in onnxruntime's own axis order (N, C, H, W):
nothing of our export or of TensorFlow's stands between onnxruntime and its best time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nets
import numpy as np
import onnx
from onnx import helper, numpy_helper

import convert

_OPSET, _IR_VERSION = 17, 8  # of 2022; onnx writes by default what onnxruntime cannot read yet


def _windows(fields: Mapping[str, str]) -> dict[str, Any]:
    kernel, stride, pad = (
        int(fields.get(field, default))
        for field, default in (("kernel_size", 1), ("stride", 1), ("pad", 0))
    )
    return {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4}


# Caffe's type -> ONNX' and its attributes. Dropout does nothing at inference.
_NODES: dict[str, tuple[str, Callable[[Mapping[str, str]], dict[str, Any]]]] = {
    "Convolution": (
        "Conv",
        lambda fields: {**_windows(fields), "group": int(fields.get("group", 1))},
    ),
    "InnerProduct": ("Gemm", lambda fields: {"transB": 1}),
    "Pooling": ("MaxPool", lambda fields: {**_windows(fields), "ceil_mode": 1}),
    "ReLU": ("Relu", lambda fields: {}),
    "Softmax": ("Softmax", lambda fields: {"axis": 1}),
}


def _lrn(row: nets.Row, bottom: str, channels: int) -> tuple[list[Any], list[Any]]:
    """Nodes and constants of a normalization with exponent 3/4.

    As a convolution with a band of ones, like ours: the LRN operator of onnxruntime
    takes many times as long.
    """
    size, alpha = int(row.fields["local_size"]), float(row.fields["alpha"])
    distance = abs(np.subtract.outer(np.arange(channels), np.arange(channels)))
    band = np.where(distance <= size // 2, alpha / size, 0).astype(np.float32)
    constants = {"band": band[:, :, None, None], "one": np.ones(channels, np.float32)}
    steps = [
        ("Mul", [bottom, bottom], "square"),
        ("Conv", ["square", "band", "one"], "energy"),
        ("Sqrt", ["energy"], "root"),
        ("Sqrt", ["root"], "fourth_root"),
        ("Mul", ["root", "fourth_root"], "power"),
        ("Div", [bottom, "power"], ""),
    ]
    own = {name: f"{row.name}/{name}" for name in (*constants, *(top for *_, top in steps))}
    own[""] = row.name
    nodes = [
        helper.make_node(kind, [own.get(name, name) for name in bottoms], [own[top]], own[top])
        for kind, bottoms, top in steps
    ]
    return nodes, [numpy_helper.from_array(value, own[name]) for name, value in constants.items()]


def write(net: nets.Net, caffemodel: Path) -> Path:
    """Write the graph beside the caffemodel; nodes have their layers' names."""
    weights = convert.load_weights(caffemodel)
    nodes, initializers = [], []
    top, is_map, channels = "data", True, 3
    for row in net.rows:
        channels = int(row.fields.get("num_output", channels))
        if row.kind == "LRN":
            steps, constants = _lrn(row, top, channels)
            nodes += steps
            initializers += constants
            top = row.name
        if row.kind not in _NODES:
            continue
        if row.kind == "InnerProduct" and is_map:
            nodes.append(helper.make_node("Flatten", [top], ["flat"], "flatten"))
            top, is_map = "flat", False
        operator, attributes = _NODES[row.kind]
        blobs = {f"{row.name}/{i}": blob for i, blob in enumerate(weights.get(row.name, ()))}
        initializers += [numpy_helper.from_array(blob, name) for name, blob in blobs.items()]
        nodes.append(
            helper.make_node(
                operator, [top, *blobs], [row.name], row.name, **attributes(row.fields)
            )
        )
        top = row.name
    float32 = onnx.TensorProto.FLOAT
    source = helper.make_tensor_value_info("data", float32, ["N", 3, "H", "W"])
    target = helper.make_tensor_value_info(top, float32, None)
    graph = helper.make_graph(nodes, net.name, [source], [target], initializers)
    path = caffemodel.with_suffix(".onnx")
    opset = helper.make_opsetid("", _OPSET)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION), path)
    return path
