"""Prior boxes: sizes and aspect ratios, found again from the boxes themselves."""

from __future__ import annotations

import math
from typing import Any

from keras_fcn import layers
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.layers.prior_box import Pair, PriorBox, PriorBoxClustered, Priors
from keras_fcn.unbuilder.registry import unbuilds

_CLOSE = 1e-6


@unbuilds(layers.PriorBox)
def prior_box(layer: Any) -> Priors:
    """SSD's where the boxes are squares and their ratios, else PriorBoxClustered."""
    height, width = layer.image_size or (None, None)
    down, across = layer.step or (None, None)
    common: dict[str, Any] = {
        "clip": layer.clip,
        "variance": tuple(layer.variances),
        "img_h": height,
        "img_w": width,
        "step_h": down,
        "step_w": across,
        "offset": layer.offset,
    }
    if layer.image_size and any(size != int(size) for size in layer.image_size):
        return _clustered(layer, common)
    count = len(layer.boxes)
    for group in range(1, count + 1):
        found = _by_ratios(layer.boxes, group, common) if count % group == 0 else None
        if found is not None:
            return found
    return _clustered(layer, common)


def _clustered(layer: Any, common: dict[str, Any]) -> PriorBoxClustered:
    width, height = zip(*layer.boxes, strict=True)
    return PriorBoxClustered(width=width, height=height, **common)


def _by_ratios(boxes: tuple[Pair, ...], group: int, common: dict[str, Any]) -> PriorBox | None:
    """The PriorBox with `group` boxes a square that gives these boxes."""
    groups = [boxes[start : start + group] for start in range(0, len(boxes), group)]
    smallest = tuple(group[0][0] for group in groups)
    second = [group[1] for group in groups if len(group) > 1]
    larger = bool(second) and all(_is_square(box) for box in second)
    largest = tuple(box[0] ** 2 / size for box, size in zip(second, smallest, strict=False))
    ratios = tuple(width / height for width, height in groups[0][1 + larger :])
    try:
        made = PriorBox(
            min_size=smallest,
            max_size=tuple(map(_whole, largest)) if larger else (),
            aspect_ratio=tuple(map(_whole, ratios)),
            flip=False,
            **common,
        )
    except CaffeError:
        return None
    alike = len(made.boxes) == len(boxes) and all(
        math.isclose(one, other, rel_tol=_CLOSE)
        for ours, theirs in zip(made.boxes, boxes, strict=True)
        for one, other in zip(ours, theirs, strict=True)
    )
    return made if alike else None


def _is_square(box: Pair) -> bool:
    return math.isclose(*box, rel_tol=_CLOSE)


def _whole(number: float) -> float:
    """A number that rounding made of a whole one is that one."""
    return float(round(number)) if math.isclose(number, round(number), rel_tol=1e-9) else number
