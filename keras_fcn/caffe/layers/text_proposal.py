"""Text proposals of CTPN, a `Python` layer: fixed widths, moved and stretched in height.

Source: `src/layers/text_proposal_layer.py` and `src/anchor.py` of tianzhi0549/CTPN.
"""

from __future__ import annotations

import math
from typing import ClassVar, Self

from keras_fcn.caffe.definition import Fields, LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import param_str
from keras_fcn.caffe.layers.base import LayerParams, Shapes, caffe_layer, expect_rank
from keras_fcn.caffe.layers.proposal import Anchor
from keras_fcn.caffe.layers.spatial import Spatial, nowhere
from keras_fcn.caffe.records import dataclass

_WIDTH = 16
_HEIGHTS = (11, 16, 23, 33, 48, 68, 97, 139, 198, 283)


@caffe_layer("text_proposal_layer.ProposalLayer")
@dataclass(frozen=True, kw_only=True)
class TextProposalLayer(LayerParams):
    """Scores, deltas and the image's size in; all boxes of one image and their scores out."""

    has_gradient: ClassVar[bool] = False
    python: ClassVar[bool] = True
    in_place: ClassVar[bool] = False
    bottom_count: ClassVar[tuple[int, int | None]] = (3, 3)
    top_count: ClassVar[tuple[int, int | None]] = (2, 2)
    places: ClassVar[Spatial | None] = nowhere("boxes")

    feat_stride: int

    @classmethod
    def read(cls, layer: LayerDefinition) -> Self:
        values = param_str.parse(param_str.of(layer))
        stride = values.get("feat_stride")
        if set(values) != {"feat_stride"} or type(stride) is not int:
            raise NetworkError(
                "param_str must hold 'feat_stride', the whole number of pixels from one cell of "
                f"the map to the next; it is {param_str.of(layer)[:80]!r}"
            )
        return cls(feat_stride=stride)

    def write(self) -> Fields:
        text = param_str.text({"feat_stride": self.feat_stride})
        return param_str.fields("layers.text_proposal_layer", "ProposalLayer", text)

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        """Boxes x1, y1, x2, y2 around the first position; all sides are whole pixels."""
        middle = (_WIDTH - 1) / 2

        def ends(size: int) -> tuple[int, int]:
            return math.trunc(middle - size // 2), math.trunc(middle + size // 2)

        left, right = ends(_WIDTH)
        return tuple((left, top, right, bottom) for top, bottom in map(ends, _HEIGHTS))

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        count = 2 * len(_HEIGHTS)
        for bottom in bottoms[:2]:
            expect_rank(bottom, 4)
            if bottom[0] not in (1, None) or bottom[1] not in (count, None):
                raise NetworkError(
                    f"needs two bottoms (1, {count}, H, W), got {bottoms[0]} and {bottoms[1]}"
                )
        return ((None, 4), (None, 1))
