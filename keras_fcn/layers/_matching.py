"""Matching of boxes with true boxes, and choice of the boxes that count, as in SSD's training.

Source: `MatchBBox` and `MineHardExamples` in `src/caffe/util/bbox_util.cpp` of
github.com/weiliu89/caffe, branch ssd.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_fcn.layers._boxes import areas, suppress

NONE, IGNORED = -1, -2
_LEAST = 1e-6  # overlap that counts at all
_SMALLEST = 1e-5  # area below which a box is not chosen


def match(
    shared: Any, groups: Any, number: Any, threshold: float | None, ignored: Any
) -> tuple[Any, Any]:
    """Match true boxes with the boxes of their groups.

    In each group the true box and the box that overlap most match, then those that do of
    the rest, and so on. With a threshold every box that is left over matches the true box
    that it overlaps most, if by as much as that.

    Args:
        shared: (G, P), overlaps of G true boxes and P boxes.
        groups: (G,), integers below `number`, or `number`: the true box does not count.
        number: how many groups there are.
        threshold: the overlap that suffices, None: one box for each true box.
        ignored: boxes that match nothing: (P,), or (groups, P); None: there are none.

    Returns:
        For each group and box the true box, -1 for none, -2 for ignored boxes; and the
        largest overlap with a true box. Both are (groups, P).
    """
    count, boxes = ops.shape(shared)
    some = (groups < number)[:, None] & (shared > _LEAST)
    if ignored is not None:
        ignored = ops.broadcast_to(ignored, (number + 1, boxes))
        some = some & ~ops.take(ignored, groups, axis=0)
    shared = ops.where(some, shared, 0.0)
    rows = ops.arange(count, dtype="int32")

    def largest(values: Any) -> Any:
        return ops.segment_max(values, groups, number + 1)

    def step(_: Any, matches: Any, free: Any) -> tuple[Any, Any, Any]:
        taken = ops.take(matches, groups, axis=0) > NONE
        left = ops.where(free[:, None] & ~taken, shared, 0.0)
        best, place = ops.max(left, axis=1), ops.cast(ops.argmax(left, axis=1), "int32")
        chosen = best > 0
        # Of equal overlaps the first box, and then the first true box.
        for key in (best, ops.cast(boxes - place, "float32"), ops.cast(count - rows, "float32")):
            key = ops.where(chosen, key, 0.0)
            chosen = chosen & (key == ops.take(largest(key), groups))
        new = ops.scatter(
            ops.stack([groups, place], axis=1),
            ops.where(chosen, rows + 1, 0),
            (number + 1, boxes),
        )
        return ops.any(chosen), ops.where(new > 0, new - 1, matches), free & ~chosen

    matches = ops.full((number + 1, boxes), NONE, dtype="int32")
    _, matches, _ = ops.while_loop(
        lambda more, *_: more, step, (ops.any(some), matches, ops.any(some, axis=1))
    )
    best = ops.maximum(largest(shared), 0.0)
    if threshold is not None:
        enough = some & (shared >= threshold) & (shared == ops.take(best, groups, axis=0))
        first = largest(ops.where(enough, (count - rows)[:, None], 0))
        matches = ops.where((matches == NONE) & (first > 0), count - first, matches)
    if ignored is not None:
        matches = ops.where(ignored, IGNORED, matches)
    return matches[:number], best[:number]


def hardest(losses: Any, eligible: Any, limits: Any) -> Any:
    """Mask of the eligible ones with the largest losses, the first of equal ones.

    Args:
        losses: (N, P).
        eligible: (N, P).
        limits: (N, 1), how many to choose at most.
    """
    return eligible & (_ranks(losses, eligible) < limits)


def hardest_apart(
    losses: Any, eligible: Any, limits: Any, boxes: Any, threshold: float, top_k: int
) -> Any:
    """The same where of boxes that overlap by more than a threshold only the best can be chosen.

    Args:
        losses: (N, P).
        eligible: (N, P).
        limits: (N, 1), how many to choose at most.
        boxes: (N, P, 4).
        threshold: overlap that two boxes may have.
        top_k: how many of each list are looked at; -1: all.
    """
    if top_k > -1:
        eligible = eligible & (_ranks(losses, eligible) < top_k)
    eligible = eligible & (areas(boxes) >= _SMALLEST)
    order = _order(losses, eligible)
    kept = suppress(
        ops.take_along_axis(boxes, order[:, :, None], axis=1),
        ops.take_along_axis(eligible, order, axis=1),
        threshold,
        1.0,
    )
    kept = kept & (ops.cumsum(ops.cast(kept, "int32"), axis=1) <= limits)
    return ops.take_along_axis(kept, ops.argsort(order, axis=1), axis=1)


def _order(losses: Any, eligible: Any) -> Any:
    """The eligible ones first, those with large losses before others."""
    return ops.argsort(ops.where(eligible, -losses, float("inf")), axis=1)


def _ranks(losses: Any, eligible: Any) -> Any:
    return ops.cast(ops.argsort(_order(losses, eligible), axis=1), "int32")
