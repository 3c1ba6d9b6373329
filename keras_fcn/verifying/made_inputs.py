"""Inputs made up for a comparison, the same each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from keras_fcn.verifying.numbers import Array


def made_inputs(
    shapes: Mapping[str, Sequence[int | None]], seed: int = 0, batch: int | None = None
) -> dict[str, Array]:
    """Random inputs of a network.

    Args:
        shapes: input -> its shape in Caffe's axis order; where a size is open it is 1.
        seed: of the numbers.
        batch: size of the first axis, where it is data's; None: as the shapes say.
    """
    rng = np.random.default_rng(seed)
    made = {}
    for name, shape in shapes.items():
        sizes = [size or 1 for size in shape]
        if len(sizes) > 1 and batch is not None:
            sizes[0] = batch
        # Maps of one channel may be labels, of which there is one class at least.
        images = len(sizes) == 4 and sizes[1] > 1
        array = rng.uniform(-100 if images else 0, 100 if images else 1, sizes)
        made[name] = array.astype(np.float32)
    return made
