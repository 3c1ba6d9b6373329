"""Reports of a lack of memory: the array and its size."""

from __future__ import annotations

import math
import re

_EXHAUSTED = "ResourceExhaustedError"  # TensorFlow's, which is not imported here
_TENSOR = re.compile(r"shape ?\[([\d, ]*)\] and type (\w+)")
_ARRAY = re.compile(r"Unable to allocate (\S+ \w+) for an array with shape (\([\d, ]*\))")
_NODE = re.compile(r"Node: '?([\w/.-]+)|\{\{node ([\w/.-]+)\}\}")
_BYTES = {"half": 2, "bfloat16": 2, "float": 4, "int32": 4, "double": 8, "int64": 8, "bool": 1}


def shortage(error: BaseException) -> str | None:
    """One sentence on an error that a lack of memory gave; None for any other error.

    Args:
        error: a `MemoryError`, NumPy's included, or TensorFlow's
            `ResourceExhaustedError`.
    """
    exhausted = any(cls.__name__ == _EXHAUSTED for cls in type(error).__mro__)
    if not exhausted and not isinstance(error, MemoryError):
        return None
    return f"not enough memory{_needed(str(error))}; a smaller image or batch needs less"


def _needed(message: str) -> str:
    array = _ARRAY.search(message)
    if array:
        return f" for an array of shape {array[2]}, which needs {array[1]}"
    tensor = _TENSOR.search(message)
    if not tensor:
        return ""
    sizes = [int(size) for size in tensor[1].split(",") if size.strip()]
    count = math.prod(sizes)
    size = count * _BYTES.get(tensor[2], 4) / (1 << 30)
    node = _NODE.search(message)
    where = f" in {next(filter(None, node.groups()))}" if node else ""
    return f" for a tensor of shape {tuple(sizes)}{where}, which needs {size:.3g} GiB"
