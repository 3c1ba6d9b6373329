"""Region proposals: ratios and scales, found again from the anchors themselves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from keras_fcn import layers
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers.proposal import Proposal, ProposalLayer, ProposalParams
from keras_fcn.caffe.layers.text_proposal import TextProposalLayer
from keras_fcn.unbuilder.registry import alike, unbuilds

_Sides = tuple[float, float]


@unbuilds(layers.Proposal)
def proposal(layer: Any) -> ProposalParams:
    """The layer in C++, or py-faster-rcnn's."""
    kinds = {(False, 1): Proposal, (True, 2): ProposalLayer}
    kind = kinds.get((bool(layer.drop_small), layer.score_axes))
    if kind is None:
        raise UnsupportedLayerError(
            f"drop_small: {layer.drop_small} with score_axes: {layer.score_axes}: Caffe's have "
            "False with 1, or True with 2"
        )
    fields = ("feat_stride", "pre_nms_topn", "post_nms_topn", "nms_thresh", "min_size")
    common = {field: getattr(layer, field) for field in fields}
    wanted = [tuple(map(float, anchor)) for anchor in layer.anchors]
    base = round(wanted[0][0] + wanted[0][2]) + 1
    sides = [(x2 - x1 + 1, y2 - y1 + 1) for x1, y1, x2, y2 in wanted]
    for ratios, scales in _laid_out(sides, base):
        if kind is Proposal:
            made: ProposalParams = Proposal(ratio=ratios, scale=scales, base_size=base, **common)
        else:
            made = ProposalLayer(ratios=ratios, scales=scales, **common)
        if list(made.anchors) == wanted:
            return made
    raise UnsupportedLayerError(
        f"anchors: {wanted[0]} and {len(wanted) - 1} more are not what ratios and scales give"
    )


def _laid_out(sides: Sequence[_Sides], base: int) -> Any:
    """Ratios and scales that may give boxes of these widths and heights, ratio by ratio."""
    shapes = [Fraction(h).limit_denominator(4096) / Fraction(w) for w, h in sides]
    for count in range(1, len(sides) + 1):
        if len(sides) % count or any(
            len(set(shapes[start : start + count])) > 1 for start in range(0, len(sides), count)
        ):
            continue
        firsts = sides[::count]
        choices = [list(_cells(width, height, base)) for width, height in firsts]
        for cells in itertools.product(*choices):
            scales = {
                tuple(w / cell[0] for w, _ in sides[i * count : (i + 1) * count])
                for i, cell in enumerate(cells)
            }
            if len(scales) == 1:
                yield tuple(cell[2] for cell in cells), scales.pop()


def _cells(width: float, height: float, base: int) -> Any:
    """Whole sides (width, height) of a position in this proportion, and a ratio that gives them."""
    for w in range(1, 8 * base):
        h = w * height / width
        if abs(h - round(h)) > 1e-9 or round(h) < 1:
            continue
        h = round(h)
        # width = round(base / sqrt(ratio)), height = round(width * ratio)
        lowest = max((base / (w + 0.5)) ** 2, (h - 0.5) / w)
        highest = min((base / (w - 0.5)) ** 2, (h + 0.5) / w)
        if lowest < highest:
            yield w, h, _simple(lowest, highest)


def _simple(lowest: float, highest: float) -> float:
    """A number between two with few digits."""
    for digits in range(12):
        step = 10.0**-digits
        number = round((math.floor(lowest / step) + 1) * step, digits)
        if lowest < number < highest:
            return number
    return (lowest + highest) / 2


@unbuilds(layers.TextProposal)
def text_proposal(layer: Any) -> TextProposalLayer:
    """CTPN's, whose anchors are fixed."""
    params: TextProposalLayer = alike(layer, TextProposalLayer)
    if [tuple(anchor) for anchor in layer.anchors] != list(params.anchors):
        raise UnsupportedLayerError(
            f"anchors: {layer.anchors[0]} and {len(layer.anchors) - 1} more are not CTPN's"
        )
    return params
