"""Detectors: what their networks are given, and how their outputs become boxes.

Every detector gives rows as SSD's DetectionOutput: image (0), class, score, and left, top, right
and bottom, here as shares of the picture's width and height.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from keras_fcn.inference.optimized import outputs_in
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.input_arrays import check_arrays

if TYPE_CHECKING:
    import keras

__all__ = [
    "LONG_SIDE",
    "SHORT_SIDE",
    "ClusterDetector",
    "Detector",
    "RegionDetector",
    "Sizes",
]

SHORT_SIDE, LONG_SIDE = 600, 1000
"""Pixels of images for detectors of regions, where nobody says a size."""

_MOST = 100


class Sizes(NamedTuple):
    """Sizes, (height, width), on the way from a picture to a network's input.

    Attributes:
        picture: of the picture.
        whole: of the picture resized.
        part: of the middle of that, which the network sees.
    """

    picture: tuple[int, int]
    whole: tuple[int, int]
    part: tuple[int, int]

    @classmethod
    def of(cls, pixels: np.ndarray, preprocessing: Preprocessing) -> Sizes:
        """Sizes of an image that is prepared."""
        height, width = pixels.shape[:2]
        return cls((height, width), *preprocessing.sizes((height, width)))

    def shares(self, corners: np.ndarray) -> np.ndarray:
        """Corners (n, 4), shares of the input's sides, as shares of the picture's."""
        (height, width), (rows, columns) = self.whole, self.part
        cut = np.array([(width - columns) // 2, (height - rows) // 2] * 2)
        sides = np.array([columns, rows] * 2)
        return np.asarray((corners * sides + cut) / np.array([width, height] * 2))


@dataclasses.dataclass(frozen=True)
class Detector:
    """A network that ends in DetectionOutput or YoloDetectionOutput, which leave rows.

    Attributes:
        model: the network.
        count: how many classes it tells apart, the background included; None where it does
            not say.
        background: the class that is never found; None where there is none.
        threshold: the least score; None for what the network reports.
        overlap: the overlap of two boxes of a class from which on the worse is dropped.
    """

    model: keras.Model
    count: int | None = None
    background: int | None = None
    threshold: float | None = None
    overlap: float | None = None

    def sized(self, preprocessing: Preprocessing, pixels: np.ndarray) -> Preprocessing:
        """The preprocessing for one picture, where nobody has said a size."""
        return preprocessing

    def infer(self, prepared: np.ndarray, sizes: Sizes) -> Any:
        """What the network gives for a prepared picture."""
        return self.run(self.model, prepared[np.newaxis])

    def rows(self, found: Any, sizes: Sizes) -> np.ndarray:
        """Rows (n, 7) of that; see the module."""
        rows = np.asarray(found[0], np.float64)
        rows = rows.reshape(-1, rows.shape[2])[:, :7]
        lowest = 0.0 if self.threshold is None else self.threshold
        # Caffe gives a row of class -1 where nothing is.
        rows = rows[(rows[:, 1] >= 0) & ((rows[:, 2] >= lowest) | (self.threshold is None))]
        rows[:, 3:] = sizes.shares(rows[:, 3:])
        return rows

    @staticmethod
    def run(model: keras.Model, inputs: Any) -> list[np.ndarray]:
        """The outputs for a batch of one."""
        check_arrays(model, inputs)
        return [np.asarray(x) for x in outputs_in(model.predict(inputs, verbose=0))]


@dataclasses.dataclass(frozen=True)
class RegionDetector(Detector):
    """Faster R-CNN and R-FCN: regions, the score of each for each class, and box deltas.

    Boxes of a class are suppressed, and the 100 best stay, as the authors' test does.

    Source: `im_detect` and `test_net` of `lib/fast_rcnn/test.py` in github.com/rbgirshick/
    py-faster-rcnn; `bbox_transform_inv` of its `bbox_transform.py`.

    Attributes:
        tensors: regions, scores and deltas.
    """

    tensors: Sequence[Any] = ()

    def sized(self, preprocessing: Preprocessing, pixels: np.ndarray) -> Preprocessing:
        """A short side of 600 pixels, or a long one of 1000, whichever is smaller."""
        sides = pixels.shape[:2]
        scale = SHORT_SIDE / min(sides)
        if round(scale * max(sides)) > LONG_SIDE:
            scale = LONG_SIDE / max(sides)
        height, width = (max(1, round(side * scale)) for side in sides)
        return dataclasses.replace(preprocessing, size=(height, width))

    def infer(self, prepared: np.ndarray, sizes: Sizes) -> Any:
        from keras_fcn.inference.probes import probe, single

        down, across = self._scales(sizes)
        given = []
        for tensor in self.model.inputs:
            if len(tensor.shape) == 4:
                given.append(prepared[np.newaxis])
            else:  # height, width and scale; of four numbers the last two are scales
                numbers = [*prepared.shape[:2], down, across][: tensor.shape[-1]]
                given.append(np.array([numbers], np.float32))
        return self.run(probe(self.model, self.tensors), single(given))

    def rows(self, found: Any, sizes: Sizes) -> np.ndarray:
        regions, scores, deltas = (np.reshape(x, (len(x), -1)) for x in found)
        down, across = self._scales(sizes)
        regions = regions[:, 1:] / np.array([across, down] * 2, np.float32)
        lowest = 0.05 if self.threshold is None else self.threshold
        overlap = 0.3 if self.overlap is None else self.overlap
        parts = []
        for label in range(scores.shape[1]):
            if label != self.background:
                boxes = self._boxes(regions, deltas, label, sizes)
                parts.append(_kept(label, scores[:, label], boxes, lowest, overlap))
        rows = np.concatenate(parts)
        rows = rows[np.argsort(-rows[:, 2], kind="stable")[:_MOST]]
        height, width = sizes.picture
        rows[:, 3:] /= [width, height] * 2
        return rows

    @staticmethod
    def _scales(sizes: Sizes) -> tuple[float, float]:
        down, across = (new / old for new, old in zip(sizes.whole, sizes.picture, strict=True))
        return down, across

    @staticmethod
    def _boxes(regions: np.ndarray, deltas: np.ndarray, label: int, sizes: Sizes) -> np.ndarray:
        """Boxes of a class in pixels, cut at the picture's border."""
        each = deltas.shape[1] // 4
        place = label if each > 2 else each - 1  # R-FCN: one box, behind the background's
        moves = deltas[:, 4 * place : 4 * place + 4]
        sides = []
        for axis, length in enumerate(reversed(sizes.picture)):
            low, high = regions[:, axis], regions[:, axis + 2]
            size = high - low + 1
            middle = moves[:, axis] * size + low + 0.5 * size
            half = 0.5 * np.exp(moves[:, axis + 2]) * size
            sides.append([np.clip(x, 0, length - 1) for x in (middle - half, middle + half)])
        return np.stack([side[end] for end in (0, 1) for side in sides], axis=1)


def _kept(
    label: int, scores: np.ndarray, boxes: np.ndarray, lowest: float, overlap: float
) -> np.ndarray:
    """Rows of a class whose score is above a limit, without those that overlap a better one."""
    import keras

    from keras_fcn.layers.proposal import suppressed

    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] > lowest]
    boxes = boxes[order]
    kept = keras.ops.convert_to_numpy(
        suppressed(
            keras.ops.convert_to_tensor(boxes, "float32"),
            keras.ops.ones(len(boxes), "bool"),
            overlap,
            keras.ops.convert_to_tensor(len(boxes), "int32"),
        )
    )
    named = [np.zeros(len(kept)), np.full(len(kept), label), scores[order][kept]]
    return np.concatenate([np.stack(named, axis=1), boxes[kept]], axis=1, dtype=np.float64)


@dataclasses.dataclass(frozen=True)
class ClusterDetector(Detector):
    """DetectNet, whose ClusterDetections gives a list of boxes for each class."""

    def rows(self, found: Any, sizes: Sizes) -> np.ndarray:
        lowest = -np.inf if self.threshold is None else self.threshold
        parts = []
        for label, listed in enumerate(found):
            boxes = np.asarray(listed[0].T, np.float64)  # x1, y1, x2, y2, confidence
            boxes = boxes[boxes.any(axis=1) & (boxes[:, 4] >= lowest)]
            named = [np.zeros(len(boxes)), np.full(len(boxes), label), boxes[:, 4]]
            height, width = sizes.part
            corners = sizes.shares(boxes[:, :4] / ([width, height] * 2))
            parts.append(np.concatenate([np.stack(named, axis=1), corners], axis=1))
        return np.concatenate(parts)
