"""Outputs of a written file, as another program gives them, compared with a model's blobs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.core.definition import defined_network
from keras_fcn.inference.inspection import blobs

Array = npt.NDArray[Any]
Shapes = Mapping[str, Sequence[int | None]]
"""Input blob -> a shape in Caffe's axis order that the network takes."""

_TOLERANCE = 1e-4
"""Of a blob's largest value."""
_NEAR_TIES = 1e-3
"""The share of labels that may differ: rounding decides between near ties."""
_NEAR, _OTHERS = 1e-3, 0.05
"""How near a detection is to its like, and the share that may have none: again near ties."""
_BATCH = 2


def made_up(shapes: Shapes, of_any_batch: Collection[str], seed: int = 0) -> dict[str, Array]:
    """Inputs for a network: blob -> array in Caffe's axis order.

    Args:
        shapes: the inputs.
        of_any_batch: those that take any number of images.
        seed: of the numbers.
    """
    rng, made = np.random.default_rng(seed), {}
    for name, shape in shapes.items():
        sizes = [size or 1 for size in shape]
        if len(sizes) > 1 and name in of_any_batch:
            sizes[0] = _BATCH
        # Maps of one channel may be labels, of which there is one class at least.
        images = len(sizes) == 4 and sizes[1] > 1
        array = rng.uniform(-100 if images else 0, 100 if images else 1, sizes)
        made[name] = array.astype(np.float32)
    return made


def compared(
    path: str | Path,
    program: str,
    model: keras.Model,
    inputs: Mapping[str, Array],
    outputs: Mapping[str, Array],
) -> dict[str, float]:
    """Compare a file's outputs with a model's blobs.

    Args:
        path: the file.
        program: what ran it.
        model: the network in Keras.
        inputs: what it was fed, in Caffe's axis order.
        outputs: what it gave, in Caffe's axis order.

    Returns:
        Output -> largest difference, as a share of its largest value.

    Raises:
        CaffeError: the numbers differ; output, position and both values are told.
    """
    wanted, differences = blobs(model, inputs), {}
    for output, array in outputs.items():
        # An input that is changed in place is an output of another name, with a number.
        name = output if output in wanted else output.rpartition("_")[0]
        differences[output] = _difference(path, program, output, array, wanted[name])
    return differences


def shapes_of(model: keras.Model) -> Shapes:
    """What a model was read with: input blob -> shape."""
    network = defined_network(model)
    return {} if network is None else network.input_shapes


@contextmanager
def removed_where_wrong(*files: Path) -> Iterator[None]:
    """Remove files where what is done raises an error."""
    try:
        yield
    except BaseException:
        for file in files:
            file.unlink(missing_ok=True)
        raise


def _difference(path: str | Path, program: str, name: str, found: Array, expected: Array) -> float:
    if _are_detections(found) and _are_detections(expected):
        return _detections_apart(path, program, name, found.reshape(-1, 7), expected.reshape(-1, 7))
    if found.shape != expected.shape:
        raise CaffeError(
            f"{path}: output {name!r} has shape {found.shape} in {program}, and "
            f"{expected.shape} in Keras; the file is not this network"
        )
    if not found.size:
        return 0.0
    finite = np.isfinite(expected)
    largest = float(np.abs(expected[finite]).max(initial=0.0)) or 1.0
    apart = np.where(finite, np.abs(found - expected), (found != expected) * largest)
    apart[np.isnan(found) & np.isnan(expected)] = 0
    worst = float(apart.max()) / largest
    off = float(np.mean(apart > _TOLERANCE * largest))
    labels = not np.any(expected[finite] % 1)
    if off > (_NEAR_TIES if labels else 0):
        place = tuple(map(int, np.unravel_index(int(apart.argmax()), apart.shape)))
        raise CaffeError(
            f"{path}: output {name!r} in {program} differs from Keras' at {place}: "
            f"{found[place]:.7g}, expected {expected[place]:.7g}; do not use the file"
        )
    return worst


def _are_detections(array: Array) -> bool:
    """Whether an output is a list of detections: image, label, score and a box each."""
    return array.ndim == 4 and array.shape[:2] == (1, 1) and array.shape[3] == 7


def _detections_apart(
    path: str | Path, program: str, name: str, found: Array, expected: Array
) -> float:
    """The share of detections that the other list does not have.

    Raises:
        CaffeError: they are more than near ties explain.
    """
    lists = found, expected
    missing = 0
    for one, other in (lists, lists[::-1]):
        for row in one:
            same = other[(other[:, :2] == row[:2]).all(axis=1)]
            near = np.abs(same - row).max(axis=1, initial=0) <= _NEAR * max(1.0, np.abs(row).max())
            missing += not near.any()
    share = missing / max(len(found) + len(expected), 1)
    if share > _OTHERS:
        raise CaffeError(
            f"{path}: of the {len(found)} detections of output {name!r} in {program} and the "
            f"{len(expected)} in Keras {share:.0%} are not in the other list; do not use the file"
        )
    return share
