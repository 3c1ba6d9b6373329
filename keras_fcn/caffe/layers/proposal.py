"""Region proposals of Faster R-CNN: anchors, moved and filtered.

Sources: `lib/rpn/proposal_layer.py` and `generate_anchors.py` of
rbgirshick/py-faster-rcnn; `proposal_layer.cpp` of sanghoon/caffe (PVANet), which
other forks took over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, ClassVar, Self

import numpy as np

from keras_fcn.caffe.definition import Fields, LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import param_str
from keras_fcn.caffe.layers.base import LayerParams, Shape, Shapes, caffe_layer, expect_rank
from keras_fcn.caffe.layers.spatial import Spatial, nowhere
from keras_fcn.caffe.limits import check_sizes
from keras_fcn.caffe.records import dataclass

Anchor = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels, for the map's first position."""


@dataclass(frozen=True, kw_only=True)
class ProposalParams(LayerParams):
    """Scores, box deltas and image sizes in; regions, and perhaps their scores, out.

    How many regions there are is known only when the network runs.
    """

    has_gradient: ClassVar[bool] = False
    gathers_rows: ClassVar[bool] = True
    bottom_count: ClassVar[tuple[int, int | None]] = (3, 3)
    top_count: ClassVar[tuple[int, int | None]] = (1, 2)
    in_place: ClassVar[bool] = False
    score_axes: ClassVar[int] = 1
    """Axes of the second top."""
    drop_small: ClassVar[bool] = True
    """Whether boxes that are too small are dropped; else their score is 0."""
    places: ClassVar[Spatial | None] = nowhere("boxes")

    feat_stride: int = 16
    min_size: int = 16
    nms_thresh: float = 0.7

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        """Boxes around the first position, ratio by ratio."""
        raise NotImplementedError

    def bottom_shape(self, index: int, bottoms: Shapes) -> Shape | None:
        return (1, 3) if index == 2 else None

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        count = len(self.anchors)
        for bottom in bottoms[:2]:
            expect_rank(bottom, 4)
        wanted = zip(bottoms[:2], (2 * count, 4 * count), strict=True)
        for (images, channels, *_), needed in wanted:
            if images not in (1, None) or channels not in (needed, None):
                raise NetworkError(
                    f"needs bottoms (1, {2 * count}, H, W) and (1, {4 * count}, H, W) for its "
                    f"{count} anchors, got {bottoms[0]} and {bottoms[1]}"
                )
        scores: Shape = (None, 1)[: self.score_axes]
        return ((None, 5), scores)


@caffe_layer("Proposal")
@dataclass(frozen=True, kw_only=True)
class Proposal(ProposalParams):
    """`ProposalParameter`: the layer in C++."""

    message: ClassVar[str | None] = "proposal_param"
    drop_small: ClassVar[bool] = False

    ratio: tuple[float, ...]
    scale: tuple[float, ...]
    base_size: int = 16
    pre_nms_topn: int = 6000
    post_nms_topn: int = 300

    def __post_init__(self) -> None:
        check_sizes("ratio", self.ratio, fewest=1)
        check_sizes("scale", self.scale, fewest=1)

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        return anchors(self.base_size, self.ratio, self.scale, lambda x: np.floor(x + 0.5))


@caffe_layer("ProposalLayer")
@dataclass(frozen=True, kw_only=True)
class ProposalLayer(ProposalParams):
    """A `Python` layer, `rpn.proposal_layer`; `param_str` holds its fields.

    What the prototxt does not tell is as in py-faster-rcnn's configuration for tests.
    """

    restriction: ClassVar[str] = "keys of `param_str` that are not known are refused"
    python: ClassVar[bool] = True
    score_axes: ClassVar[int] = 2

    scales: tuple[float, ...] = (8, 16, 32)
    ratios: tuple[float, ...] = (0.5, 1, 2)
    pre_nms_topn: int = 6000
    post_nms_topn: int = 300

    def __post_init__(self) -> None:
        check_sizes("ratios", self.ratios, fewest=1)
        check_sizes("scales", self.scales, fewest=1)

    @classmethod
    def read(cls, layer: LayerDefinition) -> Self:
        """Take the fields from `param_str`; `feat_stride` must be there."""
        values = param_str.parse(param_str.of(layer))
        known = {field.name: field.type for field in fields(cls)}
        for name, value in values.items():
            if name not in known:
                raise NetworkError(
                    f"param_str: {name!r} is unknown here and may change the boxes; known are "
                    f"{', '.join(known)}"
                )
            numbers = value if isinstance(value, tuple) else (value,)
            is_list = str(known[name]).startswith("tuple")
            if is_list != isinstance(value, tuple) or any(
                isinstance(number, bool) or not isinstance(number, int | float)
                for number in numbers
            ):
                wanted = "a list of numbers" if is_list else "a number"
                raise NetworkError(f"param_str: {name!r} must be {wanted}, not {value!r}")
        if "feat_stride" not in values:
            raise NetworkError(
                "param_str needs 'feat_stride', the pixels from one cell of the map to the next; "
                f"it is {param_str.of(layer)[:80]!r}"
            )
        return cls(**values)

    def write(self) -> Fields:
        given = {
            field.name: value
            for field in fields(self)
            if (value := getattr(self, field.name)) != field.default or field.name == "feat_stride"
        }
        return param_str.fields("rpn.proposal_layer", "ProposalLayer", param_str.text(given))

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        return anchors(16, self.ratios, self.scales, np.round)


def anchors(
    base_size: int,
    ratios: tuple[float, ...],
    scales: tuple[float, ...],
    rounded: Callable[[Any], Any],
) -> tuple[Anchor, ...]:
    """Boxes of all ratios (height to width) and scales around the middle of the first position.

    Args:
        base_size: pixels of the position's side.
        ratios: each keeps the position's area, with sides rounded to pixels.
        scales: what a ratio's sides are multiplied by.
        rounded: how sides are rounded; the layers in C++ and Python differ at halves.
    """
    middle = (base_size - 1) / 2
    boxes = []
    for ratio in ratios:
        width = rounded(np.sqrt(base_size * base_size / ratio))
        height = rounded(width * ratio)
        for scale in scales:
            half_width, half_height = (width * scale - 1) / 2, (height * scale - 1) / 2
            left, right = float(middle - half_width), float(middle + half_width)
            upper, lower = float(middle - half_height), float(middle + half_height)
            boxes.append((left, upper, right, lower))
    return tuple(boxes)
