"""Which sizes of a network's inputs may be free, and its layers for such sizes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TypeVar

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.layers.shape import Reshape
from keras_fcn.caffe.net.input_shapes import Sizes
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.net.learning import OpenInputs
from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.net.reading import any_size
from keras_fcn.caffe.net.shapes import shaped
from keras_fcn.caffe.nodes.graph import NeedsSizes

T = TypeVar("T")


def of_open_sizes(
    network: Network,
    write: Callable[[tuple[Layer, ...]], T],
    fixed: Mapping[str, Sizes] | None = None,
    shapes: Mapping[str, Shape] | None = None,
) -> T:
    """What is made of a network's layers, with as many free sizes as it allows.

    Args:
        network: the network; sizes that it cannot leave open are those that it declares.
        write: what makes it of layers whose blobs have open shapes.
        fixed: input -> its sizes that are not free, as it declares them; where they begin
            with the batch, it is not free either.
        shapes: input -> its shape, None where a size has to be free; instead of `fixed`.

    Raises:
        NeedsSizes: the network has to keep a size that is to be free in `shapes`.
    """
    asked = [shapes] if shapes is not None else _open_shapes(network, fixed or {})
    for opened in asked[:-1]:
        try:
            return write(_open_layers(network, opened, must=False))
        except NeedsSizes:
            continue
    return write(_open_layers(network, asked[-1], must=shapes is not None))


def _open_shapes(network: Network, fixed: Mapping[str, Sizes]) -> list[Mapping[str, Shape]]:
    """The inputs' shapes in the order in which they are tried, the most open ones first."""

    def opened(name: str, shape: Shape, sizes: bool) -> Shape:
        given = len(fixed.get(name, ()))
        if not shape or given == len(shape):
            return shape
        return any_size(shape) if sizes and not given else (None, *shape[1:])

    declared = network.input_shapes
    # What a network makes of itself has a size that images have to have, too.
    makes = any(len(blob.shape or ()) > 2 for x in _sourceless(network) for blob in x.tops)
    ways = (True, False) if network.resizable and not makes else (False,)
    shapes = [{x: opened(x, shape, sizes) for x, shape in declared.items()} for sizes in ways]
    return [*shapes, declared]


def _sourceless(network: Network) -> list[Layer]:
    """The layers that neither read anything nor are inputs."""
    return [layer for layer in network.layers if not layer.is_source and not layer.bottoms]


def _open_layers(network: Network, shapes: Mapping[str, Shape], must: bool) -> tuple[Layer, ...]:
    """The layers for inputs of open shapes.

    Sizes that only repeat the batch become free with it; a network that holds for one batch
    alone keeps all it declares.

    Raises:
        NeedsSizes: the network does not hold for such shapes, and they must be.
    """
    try:
        return shaped(tuple(map(_any_batch, network.layers)), OpenInputs(shapes))
    except NetworkError as error:
        if must:
            raise NeedsSizes(str(error)) from error
        return network.layers


def _any_batch(layer: Layer) -> Layer:
    params = layer.params
    if isinstance(params, Reshape) and layer.bottoms[0].shape is not None:
        return dataclasses.replace(
            layer, params=dataclasses.replace(params, shape=params.sizes(layer.bottoms[0].shape))
        )
    return layer
