"""YOLO's detectors: maps of boxes that the network gives, decoded as darknet does.

Boxes belong to anchors at the positions of a grid. Their sides are exp(w) and exp(h) times the
anchor's, their middle is in their cell. A box's score for a class is its objectness times the
class's; the boxes of a class are suppressed. Darknet shrinks an image into the middle of a square;
here it is stretched to the network's size, which is what OpenCV's scripts do.

Sources: `get_region_box` of `src/region_layer.c`, `get_yolo_box` of `src/yolo_layer.c` and
`do_nms_sort` of `src/box.c` in github.com/pjreddie/darknet.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from keras_fcn.cards.card import card_of
from keras_fcn.inference.detectors import Detector, Sizes
from keras_fcn.preprocessing import Preprocessing

__all__ = ["GridDetector", "MapsDetector"]

Anchors = tuple[tuple[float, float], ...]
_THRESHOLD, _OVERLAP = 0.5, 0.45


@dataclasses.dataclass(frozen=True)
class _YoloDetector(Detector):
    """What the detectors have in common.

    Attributes:
        anchors: width and height of each box of a position.
    """

    anchors: Anchors = ()

    def suppressed(self, boxes: np.ndarray, scores: np.ndarray, sizes: Sizes) -> np.ndarray:
        """Rows of boxes (n, 4), shares of the input, given by middle and sides; scores (n, C)."""
        lowest = _THRESHOLD if self.threshold is None else self.threshold
        overlap = _OVERLAP if self.overlap is None else self.overlap
        parts = [
            _kept(label, scores[:, label], boxes, lowest, overlap)
            for label in range(scores.shape[1])
        ]
        rows = np.concatenate(parts)
        rows[:, 3:] = sizes.shares(rows[:, 3:])
        return rows


@dataclasses.dataclass(frozen=True)
class GridDetector(_YoloDetector):
    """YOLO v2 up to its Region layer; anchors count in positions.

    Attributes:
        layer: the Region layer.
    """

    layer: Any = None

    def rows(self, found: Any, sizes: Sizes) -> np.ndarray:
        layer, (grid, *_) = self.layer, found[0]
        height, width, channels = grid.shape
        if layer.flat:  # elements box by box, in a blob of Caffe's axes
            grid = np.moveaxis(grid, -1, 0)
        cells = grid.reshape(height, width, layer.num, channels // layer.num).astype(np.float64)
        centre = cells[..., :2] if layer.centers else _sigmoid(cells[..., :2])
        boxes = _boxes(centre, cells[..., 2:4], np.array(self.anchors) / [width, height])
        scores = cells[..., layer.coords, np.newaxis] * cells[..., layer.coords + 1 :]
        return self.suppressed(boxes, scores.reshape(len(boxes), -1), sizes)


@dataclasses.dataclass(frozen=True)
class MapsDetector(_YoloDetector):
    """YOLO up to its last convolutions, as darknet's networks are when converted to Caffe.

    One map is YOLO v2's: anchors count in positions, a box's classes share one. Several are v3's:
    anchors count pixels of the input, the coarsest map has the last ones, and each class counts by
    itself.
    """

    def sized(self, preprocessing: Preprocessing, pixels: np.ndarray) -> Preprocessing:
        """The size that the prototxt declares."""
        return dataclasses.replace(preprocessing, size=card_of(self.model).size)

    def rows(self, found: Any, sizes: Sizes) -> np.ndarray:
        maps = sorted((x[0] for x in found), key=lambda grid: grid.shape[0])
        each = len(self.anchors) // len(maps)
        boxes, scores = [], []
        for index, grid in enumerate(maps):
            height, width = grid.shape[:2]
            cells = grid.reshape(height, width, each, -1).astype(np.float64)
            unit = (height, width) if len(maps) == 1 else sizes.part
            anchors = np.array(self.anchors[len(self.anchors) - each * (index + 1) :][:each])
            boxes.append(_boxes(_sigmoid(cells[..., :2]), cells[..., 2:4], anchors / unit[::-1]))
            classes = (_softmax if len(maps) == 1 else _sigmoid)(cells[..., 5:])
            scores.append((_sigmoid(cells[..., 4:5]) * classes).reshape(len(boxes[-1]), -1))
        return self.suppressed(np.concatenate(boxes), np.concatenate(scores), sizes)


def _boxes(centre: np.ndarray, growth: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Boxes (n, 4) of cells (rows, columns, anchors, 2), all as shares of the input."""
    height, width = centre.shape[:2]
    down, across = np.mgrid[:height, :width]
    middle = (centre + np.stack([across, down], -1)[:, :, np.newaxis]) / [width, height]
    return np.concatenate([middle, np.exp(growth) * anchors], axis=-1).reshape(-1, 4)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)))


def _softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _kept(
    label: int, scores: np.ndarray, boxes: np.ndarray, lowest: float, overlap: float
) -> np.ndarray:
    """Rows of a class whose score is above a limit, without those that overlap a better one."""
    import keras

    from keras_fcn.layers._boxes import suppress_centred

    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] > lowest]
    near = keras.ops.convert_to_tensor(boxes[order][np.newaxis], "float32")
    order = order[keras.ops.convert_to_numpy(suppress_centred(near, overlap))[0]]
    middle, half = boxes[order, :2], boxes[order, 2:] / 2
    named = [np.zeros(len(order)), np.full(len(order), label), scores[order]]
    return np.concatenate([np.stack(named, axis=1), middle - half, middle + half], axis=1)
