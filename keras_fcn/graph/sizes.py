"""The sizes of images that a network takes."""

from __future__ import annotations

from collections.abc import Mapping

import keras

from keras_fcn.errors import ModelError
from keras_fcn.graph.calls import shapes_at
from keras_fcn.kept import kept
from keras_fcn.preprocessing.fitting import next_fitting
from keras_fcn.preprocessing.tiles import Tiles

__all__ = ["fitting_size", "tensor_shapes"]

Size = tuple[int, int]


@kept
def fitting_size(model: keras.Model, size: Size, tiles: Tiles | None = None) -> Size:
    """The next size that a network takes, from a size of images on.

    Where maps of different sizes would meet, as in networks that halve images several times and
    add what they enlarge, a network takes multiples of its stride alone.

    Args:
        model: a network over images (N, H, W, C).
        size: (height, width) of the image.
        tiles: of a network that reads a margin; then the size is that of what its map covers, and
            the map's positions have to cover it exactly.

    Returns:
        (height, width), neither smaller than the image's; the image's own where it will do, where
        the network takes one size, and where nothing in reach would mend it: an image that is too
        small for the network's windows has too little to be enlarged by.
    """
    shapes = [tensor.shape for tensor in getattr(model, "inputs", None) or ()]
    if [len(shape) for shape in shapes] != [4] or None not in shapes[0][1:3]:
        return size
    free = [length is None for length in shapes[0][1:3]]
    return next_fitting(size, free, lambda found: _takes(model, found, tiles))


def _takes(model: keras.Model, size: Size, tiles: Tiles | None) -> bool:
    margin = 0 if tiles is None else tiles.margin
    height, width = (length + 2 * margin for length in size)
    (image,) = model.inputs
    shapes = tensor_shapes(model, ((1, height, width, image.shape[-1]),))
    if shapes is None:
        return False
    if any(0 in shape for shape in shapes.values()):
        return False
    if tiles is None:
        return True
    cells = shapes[id(model.outputs[0])][1:3]
    return tuple(tiles.zoom * (count or 0) for count in cells) == size


@kept
def tensor_shapes(
    model: keras.Model, sizes: tuple[tuple[int | None, ...], ...]
) -> Mapping[int, tuple[int | None, ...]] | None:
    """The shapes of a model's tensors, see `shapes_at`; None where a layer cannot take its own.

    Args:
        model: functional, or sequential and built.
        sizes: the shape of each input.
    """
    names = [tensor.name for tensor in model.inputs]
    try:
        return shapes_at(model, dict(zip(names, sizes, strict=True)))
    except ModelError:
        return None
