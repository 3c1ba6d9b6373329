"""Classes alike: pairs are drawn so that rare classes are seen as often as common ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from keras_fcn.datasets.geometry import random_corner

if TYPE_CHECKING:
    from keras_fcn.datasets.labelled import LabelledImages

__all__ = ["Balance", "corner_on_class"]


class Balance:
    """Draws a class, of those that the data has, and a pair that holds it; all alike likely.

    Args:
        dataset: whose masks are read.
        on_error: what is done about masks that cannot be read, `"stop"` or `"skip"`.

    Raises:
        ValueError: a mask cannot be read, or none has a class.
    """

    def __init__(self, dataset: LabelledImages, on_error: str) -> None:
        holding = (np.flatnonzero(column) for column in dataset.class_counts(on_error).T)
        self._holding = {index: pairs for index, pairs in enumerate(holding) if len(pairs)}
        if not self._holding:
            raise ValueError(f"no mask has a pixel of a class. Received: {dataset.name}")

    def __call__(self, rng: np.random.Generator) -> tuple[int, int]:
        """Index of a class, and of a pair that holds it."""
        chosen = list(self._holding)[rng.integers(len(self._holding))]
        pairs = self._holding[chosen]
        return chosen, int(pairs[rng.integers(len(pairs))])


def corner_on_class(
    mask: np.ndarray, chosen: int, size: tuple[int, int], margin: int, rng: np.random.Generator
) -> tuple[int, ...]:
    """Corner of a random part of a mask in which there is a class.

    Any pixel of the class is alike likely to be in it, and the part is anywhere around that pixel;
    where the class is gone, which resizing can do, it is anywhere.

    Args:
        mask: `(H, W)`.
        chosen: the class.
        size: (height, width) of the part.
        margin: pixels on each side of the part that do not count.
        rng: where chance comes from.
    """
    places = np.flatnonzero(mask == chosen)
    if not len(places):
        return random_corner(mask.shape, size, rng)
    place = np.array(divmod(places[rng.integers(len(places))], mask.shape[1]))
    room = np.subtract(mask.shape, size)
    low = np.maximum(np.minimum(room, 0), place - size + margin + 1)
    high = np.minimum(np.maximum(room, 0), place - margin)
    return tuple(rng.integers(low, high + 1).tolist())
