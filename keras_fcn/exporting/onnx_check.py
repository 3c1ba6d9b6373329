"""A written ONNX file, run by onnxruntime and compared with the network that it is of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.onnx.running import opened
from keras_fcn.caffe.onnx.writing import beside
from keras_fcn.core.definition import defined_network
from keras_fcn.inference.inspection import blobs, to_caffe_order, to_channels_last

Array = npt.NDArray[Any]

_TOLERANCE = 1e-4
"""Of a blob's largest value."""
_NEAR_TIES = 1e-3
"""The share of labels that may differ: rounding decides between near ties."""
_NEAR, _OTHERS = 1e-3, 0.05
"""How near a detection is to its like, and the share that may have none: again near ties."""
_BATCH = 2


def check_onnx(
    path: str | Path,
    model: keras.Model,
    shapes: Mapping[str, Sequence[int | None]],
    *,
    channels_last: bool = False,
    seed: int = 0,
) -> dict[str, float]:
    """Run an ONNX file on made-up inputs, and compare its outputs with a model's blobs.

    Args:
        path: the file.
        model: the network in Keras.
        shapes: input blob -> a shape in Caffe's axis order that the network takes.
        channels_last: whether the file's images and maps are (N, ..., C).
        seed: of the inputs.

    Returns:
        Output -> largest difference, as a share of its largest value.

    Raises:
        CaffeError: onnxruntime does not run the file, or the numbers differ; output, position
            and both values are told.
    """
    try:
        session = opened(path)
        fed = _inputs(session.get_inputs(), shapes, np.random.default_rng(seed))
        turned = {x: to_channels_last(y) if channels_last else y for x, y in fed.items()}
        found = session.run(None, turned)
    except Exception as error:  # of many kinds, all of onnxruntime's own
        raise CaffeError(f"{path}: onnxruntime does not run it: {error}") from error
    wanted = blobs(model, fed)
    differences = {}
    for output, array in zip(session.get_outputs(), found, strict=True):
        # An input that is changed in place is an output of another name, with a number.
        name = output.name if output.name in wanted else output.name.rpartition("_")[0]
        array = to_caffe_order(array) if channels_last else array
        differences[output.name] = _difference(path, output.name, array, wanted[name])
    return differences


def check_written(
    path: str | Path,
    model: keras.Model,
    shapes: Mapping[str, Sequence[int | None]] | None = None,
    *,
    channels_last: bool = False,
) -> None:
    """As `check_onnx`, of a file that is to be no more where it is wrong.

    Args:
        path: the file.
        model: the network in Keras.
        shapes: input blob -> a shape that it takes; None for what the model was read with.
        channels_last: whether the file's images and maps are (N, ..., C).

    Raises:
        CaffeError: the file does not run, or not as it should; it is removed, and so is the
            one with its weights.
    """
    if shapes is None:
        network = defined_network(model)
        shapes = {} if network is None else network.input_shapes
    try:
        check_onnx(path, model, shapes, channels_last=channels_last)
    except BaseException:
        for file in (Path(path), beside(path)):
            file.unlink(missing_ok=True)
        raise


def _inputs(
    inputs: Sequence[Any], shapes: Mapping[str, Sequence[int | None]], rng: np.random.Generator
) -> dict[str, Array]:
    """Input -> an array in Caffe's axis order."""
    made = {}
    for each in inputs:
        declared = [size or 1 for size in shapes[each.name]]
        if declared and not isinstance(each.shape[0], int):
            declared[0] = _BATCH if len(declared) > 1 else declared[0]
        # Maps of one channel may be labels, of which there is one class at least.
        images = len(declared) == 4 and declared[1] > 1
        array = rng.uniform(-100 if images else 0, 100 if images else 1, declared)
        made[each.name] = array.astype(np.float32)
    return made


def _difference(path: str | Path, name: str, found: Array, expected: Array) -> float:
    if _are_detections(found) and _are_detections(expected):
        return _detections_apart(path, name, found.reshape(-1, 7), expected.reshape(-1, 7))
    if found.shape != expected.shape:
        raise CaffeError(
            f"{path}: output {name!r} has shape {found.shape} in onnxruntime, and "
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
        place = np.unravel_index(int(apart.argmax()), apart.shape)
        raise CaffeError(
            f"{path}: output {name!r} differs from Keras' at {tuple(map(int, place))}: "
            f"{found[place]:.7g}, expected {expected[place]:.7g}; do not use the file"
        )
    return worst


def _are_detections(array: Array) -> bool:
    """Whether an output is a list of detections: image, label, score and a box each."""
    return array.ndim == 4 and array.shape[:2] == (1, 1) and array.shape[3] == 7


def _detections_apart(path: str | Path, name: str, found: Array, expected: Array) -> float:
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
            f"{path}: of the {len(found)} detections of output {name!r} in onnxruntime and the "
            f"{len(expected)} in Keras {share:.0%} are not in the other list; do not use the file"
        )
    return share
