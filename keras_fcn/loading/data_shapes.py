"""Sizes of a network's images that only the data tell, told by the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.net.assembly import load_network
from keras_fcn.caffe.net.network import Network

__all__ = ["with_shapes_of"]

_IMAGE_AXES = 4


def with_shapes_of(
    path: str | Path, net: Mapping[str, Any], image: tuple[int, int, int]
) -> dict[str, Any]:
    """How a prototxt is read, with the sizes that its data layers leave to the data.

    Args:
        path: the prototxt.
        net: arguments of `load_network`.
        image: channels, height and width of the data's images.

    Returns:
        `net`, with `input_shapes` where the network cannot be built without: the channels, and
        height and width too where a layer needs them. A given shape is kept.

    Raises:
        CaffeError: the file or the network is wrong.
    """
    whole = dict(net)
    for known in (image[:1], image):
        network = load_network(path, **whole)
        told = net.get("input_shapes") or {}
        given = {
            name: tuple(_merged(sizes, known))
            for name, sizes in _images(network).items()
            if name not in told
        }
        if given and _is_open(network):
            whole["input_shapes"] = {**whole.get("input_shapes", {}), **given}
    return whole


def _images(network: Network) -> dict[str, Shape]:
    """Input of images -> channels, height and width; None for what the prototxt does not tell."""
    shapes = {blob.name: blob.shape or () for blob in network.inputs}
    return {name: shape[1:] for name, shape in shapes.items() if len(shape) == _IMAGE_AXES}


def _merged(own: Shape, known: tuple[int, ...]) -> Iterator[int | None]:
    """Sizes of an input, those that are open as the data have them."""
    filled = (*known, *(None,) * (len(own) - len(known)))
    return (new if size is None else size for size, new in zip(own, filled, strict=True))


def _is_open(network: Network) -> bool:
    """Whether a layer's weights, or the channels of images, are not determined."""
    weights = [shape for layer in network.layers for shape in layer.weight_shapes or ()]
    channels = [sizes[:1] for sizes in _images(network).values()]
    return any(None in shape for shape in (*weights, *channels))
