"""Prepared images of one size through a network together."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from keras_fcn.caffe.errors import CaffeWarning

__all__ = ["Batches"]

_TOLERANCE = 1e-4
"""How far numbers of a batch may be from those of its images alone, of the largest value."""

_Item = TypeVar("_Item")


class Batches:
    """Passes of images in batches, where the network gives in a batch what it gives alone.

    The first batch is run image by image too. Where that gives other numbers, as of a batch norm
    over the images or a reshape to a fixed batch, images are run alone from then on, and a warning
    says so; so are those of a batch that fails, so that each has its own error.

    Args:
        alone: one prepared image -> what the network gives for it.
        together: (N, H, W, channels) -> that for each of N.
        most: images a batch.
        failures: the errors of images that the network cannot take.
    """

    def __init__(
        self,
        alone: Callable[[np.ndarray], Any],
        together: Callable[[np.ndarray], Sequence[Any]],
        most: int,
        failures: tuple[type[Exception], ...],
    ) -> None:
        self._alone, self._together, self._failures = alone, together, failures
        self._most = most
        self._proven = False

    def groups(
        self, items: Iterable[_Item], image: Callable[[_Item], np.ndarray | None]
    ) -> Iterator[list[_Item]]:
        """Neighbours whose images have one size, at most a batch; what has no image stays between.

        Args:
            items: in their order.
            image: the prepared image of an item; None where it has none.
        """
        group: list[_Item] = []
        shape, count = None, 0
        for item in items:
            pixels = image(item)
            if pixels is not None:
                if count and (pixels.shape != shape or count >= self._most):
                    yield group
                    group, count = [], 0
                shape, count = pixels.shape, count + 1
            group.append(item)
            if not count or count >= self._most or len(group) >= 4 * self._most:
                yield group
                group, count = [], 0
        if group:
            yield group

    def outputs(self, images: Sequence[np.ndarray]) -> list[Callable[[], Any]]:
        """For each of some images of one size what gives its output, or raises its error."""
        if 1 < len(images) <= self._most:
            try:
                found = self._together(np.stack(images))
                if self._proven or self._prove(images, found):
                    return [lambda x=x: x for x in found]  # type: ignore[misc]
            except self._failures:
                pass  # each tells its own
        return [lambda x=x: self._alone(x) for x in images]  # type: ignore[misc]

    def _prove(self, images: Sequence[np.ndarray], found: Sequence[Any]) -> bool:
        self._proven = len(found) == len(images) and all(
            _same(self._alone(image), each) for image, each in zip(images, found, strict=True)
        )
        if not self._proven:
            self._most = 1
            warnings.warn(
                "the network gives other numbers for images in a batch than for each alone; they "
                "are run one by one",
                CaffeWarning,
                stacklevel=2,
            )
        return self._proven


def _same(one: Any, other: Any) -> bool:
    """Whether outputs agree, arrays or maps of scores."""
    one, other = (np.asarray(getattr(x, "scores", x)) for x in (one, other))
    if one.shape != other.shape:
        return False
    largest = float(np.nanmax(np.abs(one), initial=0))
    return np.allclose(one, other, rtol=0, atol=_TOLERANCE * largest, equal_nan=True)
