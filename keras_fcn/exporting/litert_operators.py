"""What a LiteRT file computes with, and for which layers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from keras_fcn.graph.ends import output_names

__all__ = ["CALL", "flex_operators", "floats_left", "layer_of", "with_layer"]

_NODE = re.compile(r"\s*Node number (\d+) \((\w+)\) failed to \w+\.")
CALL = "StatefulPartitionedCall"
"""What the converter calls the whole network, and its outputs."""
_CONVERSIONS = frozenset({"QUANTIZE", "DEQUANTIZE"})


def flex_operators(path: Path, model: keras.Model) -> dict[str, list[str]]:
    """Operators of TensorFlow in a file, such as `FlexConv2D` -> layers that they are of."""
    found: dict[str, list[str]] = {}
    for operator, outputs in _operators(path):
        if operator.startswith("Flex"):
            layers = found.setdefault(operator, [])
            layer = layer_of(outputs[0][0], model) if outputs else None
            if layer is not None and layer not in layers:
                layers.append(layer)
    return dict(sorted(found.items()))


def floats_left(path: Path, model: keras.Model) -> dict[str, list[str]]:
    """Layers that an 8-bit file computes in float32: layer -> operators of it that do so."""
    found: dict[str, list[str]] = {}
    for operator, outputs in _operators(path):
        floats = [name for name, is_float in outputs if is_float]
        if operator in _CONVERSIONS or not floats:
            continue
        layer = layer_of(floats[0], model)
        if layer is not None and operator not in found.setdefault(layer, []):
            found[layer].append(operator)
    return found


def layer_of(name: str, model: keras.Model) -> str | None:
    """The layer that a tensor is of, by its name, such as `net_1/conv2_1/Relu;...`; None: of none.

    TensorFlow puts a number behind the names of layers; one of the same name goes before.
    """
    names = {layer.name for layer in model.layers}
    for part in name.split(";")[0].split("/"):
        plain, _, number = part.rpartition("_")
        if number.isdecimal() and plain in names:
            return plain
        if part in names:
            return part
    if name.startswith(CALL) and len(model.outputs) == 1:
        return output_names(model)[0]
    return None


def with_layer(message: str, path: Path, model: keras.Model) -> str:
    """What LiteRT says of a file's operator by its number, with the layer that it is of."""
    found = _NODE.search(message)
    if found is None:
        return message
    told = message.replace(found[0], "")
    operators = list(_operators(path))[int(found[1]) :]
    if not operators or operators[0][0] != found[2]:
        return told
    layer = layer_of(operators[0][1][0][0], model)
    return told if layer is None else f"layer {layer!r} ({found[2]}): {told}"


def _opened(path: Path) -> Any:
    from tensorflow.lite.python import schema_py_generated as schema

    return schema.Model.GetRootAsModel(path.read_bytes(), 0)


def _operators(path: Path) -> Iterator[tuple[str, list[tuple[str, bool]]]]:
    """Each operator's name, and names of its outputs with whether they are float32."""
    from tensorflow.lite.python import schema_py_generated as schema

    kinds = {value: name for name, value in vars(schema.BuiltinOperator).items() if name.isupper()}
    file = _opened(path)
    for graph in map(file.Subgraphs, range(file.SubgraphsLength())):
        for operator in map(graph.Operators, range(graph.OperatorsLength())):
            code = file.OperatorCodes(operator.OpcodeIndex())
            kind = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
            tensors = map(graph.Tensors, operator.OutputsAsNumpy())
            custom = (code.CustomCode() or b"").decode()
            yield (
                custom or kinds.get(kind, str(kind)),
                [(x.Name().decode(), x.Type() == schema.TensorType.FLOAT32) for x in tensors],
            )
