"""Memory that a network takes."""

from __future__ import annotations

import math

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.limits import NUMBER_BYTES, shown
from keras_fcn.caffe.net.network import Layer, Network


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
    weights = NUMBER_BYTES * sum(
        _count(shape) for layer in network.layers for shape in layer.weight_shapes or ()
    )
    blobs = NUMBER_BYTES * sum(_top_count(layer, batch) for layer in network.layers)
    if weights + blobs > max_bytes:
        raise NetworkError(
            f"{network.path}: the network needs {shown(weights)} of weights and {shown(blobs)} "
            f"of blobs for one image, more than {shown(max_bytes)} together; max_bytes= allows "
            "more, or with None any amount"
        )


def _top_count(layer: Layer, batch: int) -> int:
    """Elements that a layer makes for one image; those made in place count at their maker."""
    names = {blob.name for blob in layer.bottoms}
    count = sum(_count(top.shape or ()) for top in layer.tops if top.name not in names)
    return count if not layer.bottoms and layer.type != "Input" else -(-count // batch)


def _count(shape: Shape) -> int:
    return math.prod(1 if size is None else size for size in shape)
