"""Boxes of an image's objects where a part of it is taken, and the parts that SSD takes.

Boxes are float32 `(..., 4)`: xmin, ymin, xmax, ymax in parts of the image. Rows, `(boxes, 7)`, are
those of `AnnotatedDatum`.

Source: `src/caffe/util/sampler.cpp`, `bbox_util.cpp` and `src/caffe/data_transformer.cpp` of
weiliu89/caffe, branch ssd.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from keras_fcn.caffe.definition import Fields
from keras_fcn.caffe.errors import CaffeError

__all__ = ["clipped", "emitted", "projected", "require_samplers", "samples"]

_BOX = slice(2, 6)
_WHOLE = np.array([0, 0, 1, 1], np.float32)
_RANGES = ("scale", "aspect_ratio")
_TRIALS = 100


def clipped(box: np.ndarray) -> np.ndarray:
    """The part of a box that is in the image."""
    return np.asarray(np.clip(box, np.float32(0), np.float32(1)))


def projected(rows: np.ndarray, window: np.ndarray) -> np.ndarray:
    """The rows whose boxes meet a window, in parts of it, clipped to it."""
    boxes = rows[:, _BOX]
    meets = (boxes[:, :2] < window[2:]).all(1) & (boxes[:, 2:] > window[:2]).all(1)
    rows = rows[meets]
    sizes = np.tile(window[2:] - window[:2], 2)
    rows[:, _BOX] = clipped((rows[:, _BOX] - np.tile(window[:2], 2)) / sizes)
    return rows[_size(rows[:, _BOX]) > 0]


def emitted(rows: np.ndarray, window: np.ndarray, constraint: Fields | None) -> np.ndarray:
    """The rows that an `emit_constraint` lets through where a window is taken; None lets all."""
    if constraint is None:
        return rows
    boxes = rows[:, _BOX]
    if str(constraint.get("emit_type", "CENTER")) == "MIN_OVERLAP":
        stays = _coverage(boxes, window) > np.float32(constraint.get("emit_overlap", 0))
    else:
        center = (boxes[:, :2] + boxes[:, 2:]) / 2
        stays = (center >= window[:2]).all(1) & (center <= window[2:]).all(1)
    return np.asarray(rows[stays])


def require_samplers(samplers: Sequence[Fields], place: str) -> None:
    """Refuse a `batch_sampler` whose parts cannot be drawn.

    Raises:
        CaffeError: a range of it is empty, or goes beyond what there is.
    """
    for sampler in samplers:
        own = sampler.get("sampler", Fields())
        for name, most in zip(_RANGES, (1.0, np.inf), strict=True):
            low, high = (own.get(f"{end}_{name}", 1.0) for end in ("min", "max"))
            if not (0 < low <= high <= most and np.isfinite(high)):
                raise CaffeError(
                    f"{place}: batch_sampler: {name} from {low:g} to {high:g} is no range above 0"
                    + (f" up to {most:g}" if np.isfinite(most) else "")
                )


def samples(
    samplers: Sequence[Fields], rows: np.ndarray, random: np.random.Generator
) -> list[np.ndarray]:
    """The parts of an image that samplers find, whose constraints its objects meet."""
    found: list[np.ndarray] = []
    for sampler in samplers:
        if not sampler.get("use_original_image", True):
            continue
        most = sampler.get("max_sample", np.inf)
        constraint = sampler.get("sample_constraint", Fields())
        before = len(found)
        for _ in range(sampler.get("max_trials", _TRIALS)):
            if len(found) - before >= most:
                break
            box = _drawn(sampler.get("sampler", Fields()), random)
            if _meets(box, rows[:, _BOX], constraint):
                found.append(box)
    return found


def _drawn(sampler: Fields, random: np.random.Generator) -> np.ndarray:
    scale, aspect = (
        random.uniform(sampler.get(f"min_{name}", 1.0), sampler.get(f"max_{name}", 1.0))
        for name in _RANGES
    )
    aspect = min(max(aspect, scale**2), 1 / scale**2)
    size = scale * np.sqrt(aspect), scale / np.sqrt(aspect)
    left, top = (random.uniform(0, max(1 - side, 0)) for side in size)
    return np.array([left, top, left + size[0], top + size[1]], np.float32)


def _meets(box: np.ndarray, objects: np.ndarray, constraint: Fields) -> bool:
    """Whether an object meets a constraint; as in SSD the first measure with a limit decides."""
    for name, measure in _MEASURES.items():
        low, high = constraint.get(f"min_{name}"), constraint.get(f"max_{name}")
        if low is None and high is None:
            continue
        values = measure(objects, box)
        low, high = -np.inf if low is None else low, np.inf if high is None else high
        return bool(((values >= np.float32(low)) & (values <= np.float32(high))).any())
    return True


def _size(boxes: np.ndarray) -> np.ndarray:
    sides = boxes[..., 2:] - boxes[..., :2]
    return np.where((sides < 0).any(-1), 0, sides[..., 0] * sides[..., 1])


def _common(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:], second[..., 2:])
    sides = np.maximum(high - low, 0)
    return np.asarray(sides[..., 0] * sides[..., 1])


def _coverage(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """How much of the first boxes the second ones cover."""
    common = _common(first, second)
    return _over(common, _size(first))


def _overlap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersections over unions."""
    common = _common(first, second)
    return _over(common, _size(first) + _size(second) - common)


def _over(common: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    found = np.zeros_like(common)
    return np.asarray(np.divide(common, sizes, found, where=common > 0))


_MEASURES: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "jaccard_overlap": _overlap,
    "sample_coverage": lambda objects, box: _coverage(np.broadcast_to(box, objects.shape), objects),
    "object_coverage": _coverage,
}
"""Limited quantity -> what it is of objects and a sample, in SSD's order."""
