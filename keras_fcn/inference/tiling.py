"""DilatedNet's procedure for images of any size: reflected borders, tiles, one map."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from keras_fcn.preprocessing.tiles import Tiles

__all__ = ["Tiles", "predict_tiles", "tile_maps"]


Forward = Callable[[np.ndarray], np.ndarray]


def predict_tiles(forward: Forward, image: np.ndarray, tiles: Tiles) -> np.ndarray:
    """Class scores of every pixel of an image.

    Args:
        forward: the network: (1, height, width, channels) of `tiles.size` to
            (1, rows, columns, classes).
        image: (H, W, channels), prepared for the network.
        tiles: how it is cut up.

    Returns:
        (H, W, classes).
    """
    height, width = image.shape[:2]
    return tiles.enlarge(tile_maps(forward, image[np.newaxis], tiles)[0], (height, width))


def tile_maps(forward: Forward, images: np.ndarray, tiles: Tiles) -> np.ndarray:
    """The maps of images' tiles side by side: (N, H, W, channels) to (N, rows, columns, classes).

    Arguments are otherwise those of `predict_tiles`.
    """
    rows = [np.concatenate([forward(tile) for tile in row], axis=2) for row in tiles.cut(images)]
    return np.concatenate(rows, axis=1)
