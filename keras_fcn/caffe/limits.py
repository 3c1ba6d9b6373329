"""What a file may ask for: bounds no real network comes near, and Caffe's own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from keras_fcn.caffe.errors import NetworkError

if TYPE_CHECKING:
    from keras_fcn.caffe.layers import Shape
    from keras_fcn.caffe.net.network import Layer, Network

MAX_BYTES = 16 << 30
"""A network's weights, and its blobs for one image, may take so much memory together."""
MAX_LAYERS = 20_000
MAX_TOPS = 200_000
"""Of all layers together, with the other names of memory that they share."""
MAX_LEARNT = 200
"""Times that a reader or the weights may tell more of an input's shape."""
MAX_BLOBS = 100_000
"""Parameter blobs in a weights file."""
MAX_HEAD_BYTES = 8 << 20
"""What a binary weights file may hold beside its blobs."""
MAX_TEXT_BYTES = 16 << 20
"""Of a prototxt."""

# Source: kMaxBlobAxes and Blob::Reshape in include/caffe/blob.hpp and src/caffe/blob.cpp.
MAX_AXES = 32
MAX_COUNT = (1 << 31) - 1

MAX_SIZES = 200
"""Sizes, scales or aspect ratios of the boxes that a layer makes."""

_NUMBER_BYTES = 4


def check_blob(shape: Shape) -> None:
    """Refuse a blob that Caffe cannot hold either.

    Raises:
        NetworkError: it has more than MAX_AXES axes or MAX_COUNT elements.
    """
    if len(shape) > MAX_AXES:
        raise NetworkError(f"a blob has {len(shape)} axes; Caffe allows {MAX_AXES}")
    count = math.prod(1 if size is None else size for size in shape)
    if count > MAX_COUNT:
        raise NetworkError(
            f"a blob of shape {shape} has {count} elements; Caffe allows {MAX_COUNT}"
        )


def check_kernel(name: str, shape: Sequence[int]) -> None:
    """Refuse a layer whose kernel alone would take more than half of MAX_BYTES.

    Raises:
        NetworkError: it would; the amount is told.
    """
    size = _NUMBER_BYTES * math.prod(shape)
    if size > MAX_BYTES // 2:
        raise NetworkError(
            f"layer {name!r} needs {_shown(size)} for a kernel of {' x '.join(map(str, shape))}; "
            f"at most {_shown(MAX_BYTES // 2)} are allowed. Take fewer classes, or a network that "
            "upsamples less at once"
        )


def check_memory(network: Network, max_bytes: int | None) -> None:
    """Refuse a network whose numbers would fill the memory.

    Args:
        network: the network; sizes that are not known count as 1.
        max_bytes: how much its weights and its blobs for one image may take, as
            float32; None: any amount.

    Raises:
        NetworkError: they would take more; both amounts are told.
    """
    if max_bytes is None:
        return
    batch = max((blob.shape[0] or 1 for blob in network.inputs if blob.shape), default=1)
    weights = _NUMBER_BYTES * sum(
        _count(shape) for layer in network.layers for shape in layer.weight_shapes or ()
    )
    blobs = _NUMBER_BYTES * sum(_top_count(layer, batch) for layer in network.layers)
    if weights + blobs > max_bytes:
        raise NetworkError(
            f"{network.path}: the network needs {_shown(weights)} of weights and {_shown(blobs)} "
            f"of blobs for one image, more than {_shown(max_bytes)} together; max_bytes= allows "
            "more, or with None any amount"
        )


def _top_count(layer: Layer, batch: int) -> int:
    """Elements that a layer makes for one image; those made in place count at their maker."""
    names = {blob.name for blob in layer.bottoms}
    count = sum(_count(top.shape or ()) for top in layer.tops if top.name not in names)
    return count if not layer.bottoms and layer.type != "Input" else -(-count // batch)


def _count(shape: Shape) -> int:
    return math.prod(1 if size is None else size for size in shape)


def _shown(size: int) -> str:
    return f"{size / (1 << 30):.3g} GiB ({size} bytes)"


def check_sizes(field: str, values: Sequence[float], fewest: int = 0) -> None:
    """Refuse a list whose numbers, combined with others, would give boxes without end.

    Raises:
        NetworkError: a number is not finite and above 0, or there are more than MAX_SIZES,
            or too few.
    """
    if len(values) > MAX_SIZES:
        raise NetworkError(f"{field}: {len(values)} numbers; at most {MAX_SIZES} are allowed")
    if len(values) < fewest or not all(0 < value < math.inf for value in values):
        raise NetworkError(f"{field}: {tuple(values)} must hold numbers above 0")
