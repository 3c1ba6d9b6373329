"""Boxes (xmin, ymin, xmax, ymax) along the last axis: decoding, and suppression of overlaps.

Source: `src/caffe/util/bbox_util.cpp` of github.com/weiliu89/caffe, branch ssd.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_fcn.layers._loops import one_graph

_ADAPTIVE_FROM = 0.5  # below it a threshold is not lowered any more


def _corner(priors: Any, offsets: Any) -> Any:
    return priors + offsets


def _corner_size(priors: Any, offsets: Any) -> Any:
    low, high = ops.split(priors, 2, axis=-1)
    size = high - low
    return priors + offsets * ops.concatenate([size, size], axis=-1)


def _center_size(priors: Any, offsets: Any) -> Any:
    low, high = ops.split(priors, 2, axis=-1)
    shift, growth = ops.split(offsets, 2, axis=-1)
    size = high - low
    center = shift * size + (low + high) / 2
    half = ops.exp(growth) * size / 2
    return ops.concatenate([center - half, center + half], axis=-1)


DECODERS = {"CORNER": _corner, "CENTER_SIZE": _center_size, "CORNER_SIZE": _corner_size}
"""Caffe's `code_type` -> function of priors and predicted offsets, both (..., 4)."""


def _corner_offsets(priors: Any, boxes: Any) -> Any:
    return boxes - priors


def _corner_size_offsets(priors: Any, boxes: Any) -> Any:
    size = priors[..., 2:] - priors[..., :2]
    return (boxes - priors) / ops.concatenate([size, size], axis=-1)


def _center_size_offsets(priors: Any, boxes: Any) -> Any:
    (from_low, from_high), (low, high) = (ops.split(x, 2, axis=-1) for x in (priors, boxes))
    size = from_high - from_low
    shift = ((low + high) / 2 - (from_low + from_high) / 2) / size
    return ops.concatenate([shift, ops.log((high - low) / size)], axis=-1)


ENCODERS = {
    "CORNER": _corner_offsets,
    "CENTER_SIZE": _center_size_offsets,
    "CORNER_SIZE": _corner_size_offsets,
}
"""The inverses: functions of priors and boxes."""


def areas(boxes: Any) -> Any:
    """Areas of boxes (..., 4), 0 of those that are inside out."""
    size = boxes[..., 2:] - boxes[..., :2]
    return ops.where(ops.all(size >= 0, axis=-1), size[..., 0] * size[..., 1], 0.0)


def overlaps(first: Any, second: Any) -> Any:
    """Intersection over union of boxes (..., 4)."""
    low = ops.maximum(first[..., :2], second[..., :2])
    size = ops.relu(ops.minimum(first[..., 2:], second[..., 2:]) - low)
    shared = size[..., 0] * size[..., 1]
    union = areas(first) + areas(second) - shared
    return ops.where(shared > 0, shared / union, 0.0)


@one_graph
def suppress(boxes: Any, candidates: Any, threshold: float, eta: float) -> Any:
    """Greedy suppression: a box is kept if no kept one before it overlaps it too much.

    Args:
        boxes: (M, K, 4): M lists of K boxes, the best first.
        candidates: (M, K): the boxes that count; in each list they come first.
        threshold: overlap that is still allowed.
        eta: factor of a list's threshold after each box that is kept, as long as the
            threshold is above 0.5.

    Returns:
        (M, K): the boxes that are kept.
    """
    corners = ops.transpose(boxes, (2, 0, 1))
    size = corners[2:] - corners[:2]
    areas = ops.where(ops.all(size >= 0, axis=0), size[0] * size[1], 0.0)  # 0 if inside out
    places = ops.arange(ops.shape(boxes)[1])
    longest = ops.max(ops.sum(ops.cast(candidates, "int32"), axis=1))

    def step(place: Any, kept: Any, allowed: Any) -> tuple[Any, Any, Any]:
        box, area = (ops.take(x, ops.reshape(place, (1,)), axis=-1) for x in (corners, areas))
        size = ops.minimum(box[2:], corners[2:]) - ops.maximum(box[:2], corners[:2])
        size = ops.relu(size)
        shared = size[0] * size[1]
        overlap = ops.where(shared > 0, shared / (area + areas - shared), 0.0)
        # Not "above": an overlap that is no number suppresses too.
        too_close = ops.logical_and(kept, ops.logical_not(overlap <= allowed))
        here = ops.equal(places, place)
        free = ops.logical_not(ops.any(too_close, axis=1, keepdims=True))
        new = ops.logical_and(here, ops.logical_and(candidates, free))
        if eta < 1:
            lowered = ops.logical_and(ops.any(new, axis=1, keepdims=True), allowed > _ADAPTIVE_FROM)
            allowed = ops.where(lowered, allowed * eta, allowed)
        return place + 1, ops.logical_or(kept, new), allowed

    _, kept, _ = ops.while_loop(
        lambda place, *_: place < longest,
        step,
        (
            ops.convert_to_tensor(0, "int32"),
            ops.zeros_like(candidates),
            ops.full_like(boxes[:, :1, 0], threshold),
        ),
    )
    return kept


def centred_overlaps(first: Any, second: Any) -> Any:
    """Intersection over union of boxes (..., 4) given by middle, width and height, as YOLO's."""
    half, other = first[..., 2:] / 2, second[..., 2:] / 2
    low = ops.maximum(first[..., :2] - half, second[..., :2] - other)
    high = ops.minimum(first[..., :2] + half, second[..., :2] + other)
    size = ops.relu(high - low)
    shared = size[..., 0] * size[..., 1]
    total = first[..., 2] * first[..., 3] + second[..., 2] * second[..., 3]
    return shared / (total - shared)


@one_graph
def suppress_centred(boxes: Any, threshold: float) -> Any:
    """Greedy suppression as in darknet: what overlaps a kept box by the threshold is dropped.

    Args:
        boxes: (N, M, 4): N lists of M boxes (middle, width, height), the best first.
        threshold: overlap that is too much.

    Returns:
        (N, M): the boxes that are kept.
    """
    places = ops.arange(ops.shape(boxes)[1], dtype="int32")

    def keep(alive: Any, kept: Any) -> tuple[Any, Any]:
        best = ops.cast(ops.argmax(ops.cast(alive, "int32"), axis=1), "int32")[:, None]
        here = alive & ops.equal(places, best)
        own = ops.take_along_axis(boxes, best[:, :, None], axis=1)
        # Not "below": an overlap that is no number does not suppress.
        close = centred_overlaps(own, boxes) >= threshold
        close = close & ops.any(here, axis=1, keepdims=True)
        return alive & ~close & ~here, kept | here

    everyone = ops.ones_like(boxes[:, :, 0], "bool")
    _, kept = ops.while_loop(lambda alive, _: ops.any(alive), keep, (everyone, ~everyone))
    return kept
