"""DilatedNet's procedure for images of any size: reflected borders, tiles, one map."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from keras_fcn.preprocessing.tiles import Tiles

__all__ = ["Tiles", "predict_tiles"]


def predict_tiles(
    forward: Callable[[np.ndarray], np.ndarray], image: np.ndarray, tiles: Tiles
) -> np.ndarray:
    """Class scores of every pixel of an image.

    Args:
        forward: the network: (1, height, width, channels) of `tiles.size` to
            (1, rows, columns, classes).
        image: (H, W, channels), prepared for the network.
        tiles: how it is cut up.

    Returns:
        (H, W, classes).
    """
    rows = [
        np.concatenate([forward(tile[np.newaxis])[0] for tile in row], axis=1)
        for row in tiles.cut(image)
    ]
    height, width = image.shape[:2]
    return tiles.enlarge(np.concatenate(rows), (height, width))
