"""The sizes of images that a network takes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import keras

from keras_fcn.errors import ModelError
from keras_fcn.graph.calls import shapes_at
from keras_fcn.graph.kept import kept
from keras_fcn.preprocessing.tiles import Tiles

__all__ = ["fitting_size", "tensor_shapes"]

Size = tuple[int, int]

#: Strides of networks; other steps are tried where none of them will do.
_STRIDES = (1, 2, 4, 8, 16, 32, 64)
_FARTHEST = 64
_FAR = 1024  # a multiple of the strides, and more than windows have


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
    tried = _candidates(size, free)
    if _takes(model, next(tried), tiles):
        return size
    height, width = (n + _FAR if may else n for n, may in zip(size, free, strict=True))
    if _takes(model, (height, width), tiles):
        return size
    return next((found for found in tried if _takes(model, found, tiles)), size)


def _candidates(size: Size, free: Sequence[bool]) -> Iterator[Size]:
    """Sizes in the order in which they are tried, those that add least first."""
    multiples = ([-(-length // stride) * stride for length in size] for stride in _STRIDES)
    steps = ([length + more for length in size] for more in range(1, _FARTHEST))
    tried = (
        (height if free[0] else size[0], width if free[1] else size[1])
        for height, width in itertools.chain(multiples, steps)
    )
    return iter(dict.fromkeys(tried))


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
