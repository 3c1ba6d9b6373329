"""What layers that give detections share: suppression of overlaps, and rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.places import Length, positions

_ALL = 2**31 - 1


def suppressed(
    graph: LayerGraph,
    boxes: str,
    scores: str,
    threshold: float,
    lowest: float | None = None,
    most: int = _ALL,
    *,
    centred: bool = False,
) -> str:
    """Greedy suppression in each list; of equal scores the first one counts more.

    Args:
        graph: where to add.
        boxes: (lists, boxes, 4), ends, or middles and sizes if `centred`.
        scores: (lists, 1, boxes).
        threshold: a box is dropped that overlaps a better one by more.
        lowest: what a score must be above; None: each counts.
        most: boxes of a list that are kept.
        centred: how boxes are given.

    Returns:
        A tensor (kept boxes, 3) of int64: list, 0, and place in the list.
    """
    limits = [graph.ints(most), graph.floats(min(threshold, 1.0))]
    if lowest is not None:
        limits.append(graph.floats(lowest))
    return graph.add("NonMaxSuppression", boxes, scores, *limits, center_point_box=int(centred))


def at_least(threshold: float) -> float:
    """The number for which "above" says what "not below" says for another one, in float32."""
    return float(np.nextafter(np.float32(threshold), np.float32(-np.inf)))


def rows_of(graph: LayerGraph, columns: Sequence[str], width: int, images: Length) -> str:
    """Detections as Caffe's blob; if there are none, a row (image, -1, ..., -1) for each image.

    Args:
        graph: where to add.
        columns: tensors (detections, numbers), float32.
        width: numbers of a row.
        images: how many images there are.

    Returns:
        A tensor (1, 1, rows, width).
    """
    rows = graph.add("Concat", *columns, axis=1)
    nothing = graph.add("Equal", graph.sizes(rows, 0, 1), graph.ints([0]))
    count = graph.add("Mul", graph.add("Cast", nothing, to=7), graph.listed(images))
    ids = graph.unsqueeze(positions(graph, count), 1)
    ids = graph.add("Mul", ids, graph.floats([1] + [0] * (width - 1)))
    ids = graph.add("Add", ids, graph.floats([0] + [-1] * (width - 1)))
    return graph.unsqueeze(graph.add("Concat", rows, ids, axis=0), 0, 1)
