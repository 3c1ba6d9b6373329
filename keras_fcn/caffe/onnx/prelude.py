"""The preparation of images as the first nodes of a graph."""

from __future__ import annotations

import dataclasses

import numpy as np

from keras_fcn.caffe.nodes.graph import Array
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.walk import OnnxNet
from keras_fcn.caffe.records import dataclass

IMAGES = "images"
"""The name of the input that takes images as they are in files."""


@dataclass(frozen=True)
class Prelude:
    """The steps from an RGB image to a network's input, in this order.

    Attributes:
        channels: how many an image has.
        size: (height, width) to resize to, bilinear; None: it keeps its own.
        on_corners: whether the corners of an image stay corners when it is resized.
        crop: (height, width) of the centre that is kept; None: all of it.
        reverses: whether the channels are turned round, from RGB to BGR.
        scale: what the values 0 to 255 are multiplied by.
        mean: what is subtracted then: a number, one for each channel, or an image (height,
            width, channels), whose centre counts; None: nothing.
        input_scale: what the rest is multiplied by.
    """

    channels: int = 3
    size: tuple[int, int] | None = None
    on_corners: bool = False
    crop: tuple[int, int] | None = None
    reverses: bool = True
    scale: float = 1.0
    mean: Array | None = None
    input_scale: float = 1.0


def with_images(net: OnnxNet, prelude: Prelude) -> OnnxNet:
    """The network for uint8 images (N, height, width, channels) of any size.

    Raises:
        ValueError: it has several inputs, or none of images with so many channels.
    """
    name, *others = net.inputs
    sizes = net.inputs[name]
    if others or len(sizes) != 4 or sizes[1] != prelude.channels:
        raise ValueError(
            f"only a network of one input of images with {prelude.channels} channels prepares "
            f"them inside. Received: inputs {dict(net.inputs)}"
        )
    graph = net.graph
    images, known = graph.free_name(IMAGES), len(graph.nodes)
    made = _prepared(LayerGraph(graph, IMAGES), images, prelude)
    graph.rename(made, name)
    graph.nodes[:] = [*graph.nodes[known:], *graph.nodes[:known]]
    taken = (sizes[0], f"{IMAGES}_height", f"{IMAGES}_width", prelude.channels)
    return dataclasses.replace(net, inputs={images: taken}, dtypes={images: "uint8"})


def _prepared(graph: LayerGraph, images: str, prelude: Prelude) -> str:
    x = graph.add("Transpose", graph.as_floats(images), perm=[0, 3, 1, 2])
    if prelude.size is not None:
        x = _resized(graph, x, prelude.size, prelude.on_corners)
    if prelude.crop is not None:
        x = _centre(graph, x, graph.ints(prelude.crop))
        # An image that is smaller than the crop must not go on.
        x = graph.reshape(x, 0, prelude.channels, *prelude.crop)
    if prelude.reverses:
        x = graph.add("Gather", x, graph.ints(range(prelude.channels)[::-1]), axis=1)
    x = graph.scaled(x, prelude.scale)
    if prelude.mean is not None:
        x = graph.add("Sub", x, _mean(graph, x, prelude.mean))
    return graph.scaled(x, prelude.input_scale)


def _resized(graph: LayerGraph, x: str, size: tuple[int, int], on_corners: bool) -> str:
    sizes = graph.add("Concat", graph.sizes(x, 0, 2), graph.ints(size), axis=0)
    mode = "align_corners" if on_corners else "half_pixel"
    return graph.add("Resize", x, "", "", sizes, mode="linear", coordinate_transformation_mode=mode)


def _centre(graph: LayerGraph, x: str, size: str) -> str:
    """The middle of a map, of a height and a width."""
    spare = graph.add("Sub", graph.sizes(x, 2, 4), size)
    start = graph.add("Div", spare, graph.ints(2))
    return graph.add("Slice", x, start, graph.add("Add", start, size), graph.ints([2, 3]))


def _mean(graph: LayerGraph, x: str, mean: Array) -> str:
    """As a tensor that fits the map."""
    if mean.ndim == 1:
        return graph.floats(mean.reshape(1, -1, 1, 1))
    whole = graph.floats(np.moveaxis(mean, -1, 0)[None])
    size = graph.sizes(x, 2, 4)
    # One that is smaller than the map must not be laid along it.
    shape = graph.add("Concat", graph.ints([1, mean.shape[-1]]), size, axis=0)
    return graph.add("Reshape", _centre(graph, whole, size), shape)
