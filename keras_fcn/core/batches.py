"""Prediction in several batches by networks whose outputs have a row for each thing found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_fcn.graph.calls import calls
from keras_fcn.layers._regions import RegionLayer
from keras_fcn.layers.detection_output import DetectionOutput
from keras_fcn.layers.proposal import Proposal
from keras_fcn.layers.selection import BatchReindex, Filter
from keras_fcn.layers.yolo_detection_output import YoloDetectionOutput
from keras_fcn.preprocessing.input_arrays import holds_boxes

_BOXES = (DetectionOutput, YoloDetectionOutput)
_ONE_IMAGE = (Proposal, YoloDetectionOutput)
_BY_INDEX = (RegionLayer, BatchReindex)
_NOTHING = -1


@dataclass(frozen=True)
class RowRule:
    """Rule for predicting a model with rows in batches.

    Attributes:
        size: images a batch: 1, 0 for all of them at once, None for any number.
        kinds: for each output `"boxes"` (1, rows, 7, 1) and `"regions"` (rows, 5), which
            begin with the image's number, `"rows"` without it, or `"images"`.
        names: the outputs' names.
    """

    size: int | None
    kinds: tuple[str, ...]
    names: tuple[str, ...]


def row_rule(model: keras.Model) -> RowRule | None:
    """The rule of a model; None where all outputs have a row an image."""
    rows: dict[int, str] = {}
    sizes: set[int | None] = set()
    for call in calls(model):
        sizes.add(_size(call.operation))
        kind = "rows" if any(id(x) in rows for x in call.inputs) else ""
        if isinstance(call.operation, (*_BY_INDEX, Filter)):
            kind = "rows"
        inner = row_rule(call.operation) if isinstance(call.operation, keras.Model) else None
        if inner is not None:
            sizes.add(inner.size)
        for index, output in enumerate(call.outputs):
            if inner is not None:
                rows[id(output)] = inner.kinds[index]
            elif isinstance(call.operation, _BOXES) or _is_exported(call.operation, output):
                rows[id(output)] = "boxes"
            elif isinstance(call.operation, Proposal):
                rows[id(output)] = "rows" if index else "regions"
            elif kind:
                rows[id(output)] = kind
    if not rows:
        return None
    return RowRule(
        next((size for size in (1, 0) if size in sizes), None),
        tuple(rows.get(id(x), "images") for x in model.outputs),
        tuple(x._keras_history.operation.name for x in model.outputs),
    )


def _is_exported(operation: Any, output: Any) -> bool:
    """Whether an output is detections of a SavedModel, whose layers are not seen."""
    return isinstance(operation, keras.layers.TFSMLayer) and holds_boxes(output)


def _size(operation: Any) -> int | None:
    """Number of images a layer takes at once; see `RowRule`."""
    if isinstance(operation, _ONE_IMAGE):
        return 1
    return 0 if isinstance(operation, _BY_INDEX) else None


def predict_rows(
    rule: RowRule,
    forward: Callable[[Any], Any],
    data: Any,
    batch_size: int,
    steps: int | None,
) -> Any:
    """Predict in batches; images are counted through all of them.

    Args:
        rule: the model's.
        forward: the outputs of one batch, as arrays.
        data: arrays as the model's inputs, or batches: a `tf.data.Dataset`, a
            `PyDataset` or a generator.
        batch_size: images a batch, where the model takes any number and the data are arrays.
        steps: how many batches to take; None: all.

    Raises:
        ValueError: there are several images, and an output has rows of which nothing tells
            the image.
    """
    parts, starts, start = [], [], 0
    for batch in _batches(data, batch_size, rule.size, steps):
        outputs = forward(batch)
        parts.append(keras.tree.flatten(outputs))
        starts.append(start)
        start += _length(batch)
    if not parts:
        raise ValueError("there is no batch to predict")
    if len(parts) == 1:
        return outputs
    _check_known(rule)
    joined = [
        _joined([part[index] for part in parts], starts, kind)
        for index, kind in enumerate(rule.kinds)
    ]
    return keras.tree.pack_sequence_as(outputs, joined)


def _check_known(rule: RowRule) -> None:
    for name, kind in zip(rule.names, rule.kinds, strict=True):
        if kind == "rows" and "regions" not in rule.kinds:
            raise ValueError(
                f"output {name!r} has a row for each thing that is found, and nothing tells of "
                "which image; predict one batch at a time, or make the regions an output too"
            )


def _joined(parts: list[np.ndarray], starts: list[int], kind: str) -> np.ndarray:
    """An output of all batches; the first image of each is the `starts`-th."""
    if kind == "boxes":
        return _joined_boxes(parts, starts)
    if kind == "regions":
        parts = [np.array(part) for part in parts]
        for part, start in zip(parts, starts, strict=True):
            part[:, 0] += start
    return np.concatenate([np.atleast_1d(part) for part in parts])


def _joined_boxes(parts: list[np.ndarray], starts: list[int]) -> np.ndarray:
    parts = [np.array(part) for part in parts]
    for part, start in zip(parts, starts, strict=True):
        part[:, :, 0] += start
    boxes = np.concatenate(parts, axis=1)
    found = boxes[0, :, 1, 0] != _NOTHING
    # Rows that say that nothing is found stand only where no image has anything.
    return boxes[:, found] if found.any() else boxes


def _batches(data: Any, batch_size: int, size: int | None, steps: int | None) -> Iterator[Any]:
    whole = _given(data)
    if whole is not None:
        count = _length(whole)
        length = {None: batch_size, 0: max(count, 1)}.get(size, size)
        starts = range(0, max(count, 1), length or 1)
        if len(starts) == 1 and steps != 0:
            yield whole  # inputs of more rows than images, regions say, are not cut
            return
        counts = [len(array) for array in keras.tree.flatten(whole)]
        if len(starts) > 1 and len(set(counts)) > 1:
            raise ValueError(f"the inputs hold different numbers of images: {counts}")
        for start in starts[:steps]:
            yield keras.tree.map_structure(lambda x, s=start: x[s : s + length], whole)
        return
    if isinstance(data, keras.utils.PyDataset):
        batches: Iterable[Any] = (data[index] for index in range(steps or data.num_batches))
    else:
        batches = data
    for index, element in enumerate(batches):
        if index == steps:
            return
        batch = keras.tree.map_structure(
            keras.ops.convert_to_numpy, element[0] if isinstance(element, tuple) else element
        )
        if size == 1 and _length(batch) > 1:
            for start in range(_length(batch)):
                yield keras.tree.map_structure(lambda x, s=start: x[s : s + 1], batch)
        else:
            yield batch


def _given(data: Any) -> Any:
    """Arrays as they are; None for what gives batches one after the other."""
    if isinstance(data, keras.utils.PyDataset):
        return None
    if hasattr(data, "shape") or isinstance(data, list | tuple | dict):
        return keras.tree.map_structure(np.asarray, data)
    return None


def _length(batch: Any) -> int:
    """Number of images in a batch; the first input's."""
    return len(keras.tree.flatten(batch)[0])
