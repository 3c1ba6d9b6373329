"""Decoders of connectionist temporal classification: the likeliest label at each step.

Sources: `ctc_decoder_layer.cpp` of hzli-ucas/caffe (`CTCDecoder`), of
openvinotoolkit/training_toolbox_caffe and of ChWick/caffe (both `CTCGreedyDecoder`).
"""

from __future__ import annotations

from typing import ClassVar

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import LayerParams, Shape, Shapes, caffe_layer, expect_rank
from keras_fcn.caffe.layers.spatial import Spatial, nowhere
from keras_fcn.caffe.records import dataclass

Axes = tuple[int, int]
"""Axes of the images and the labels, in Caffe's order; the remaining axis is time."""


@dataclass(frozen=True, kw_only=True)
class Decoder(LayerParams):
    """Label sequences, filled up with -1."""

    has_gradient: ClassVar[bool] = False
    in_place: ClassVar[bool] = False
    places: ClassVar[Spatial | None] = nowhere("time steps")

    blank_index: int = -1

    def axes(self, bottoms: Shapes) -> Axes:
        """Axes of images and labels; with indicators the order is (steps, images, labels)."""
        expect_rank(bottoms[0], 3)
        return 1, 2

    def _check_blank(self, labels: int | None) -> None:
        if labels is not None and not -labels <= self.blank_index < labels:
            raise NetworkError(f"blank_index: {self.blank_index} is none of the {labels} labels")

    def sizes(self, bottoms: Shapes) -> tuple[int | None, int | None]:
        """Number of images and of steps."""
        bottom = bottoms[0]
        axes = self.axes(bottoms)
        self._check_blank(bottom[axes[1]])
        rest = [size for axis, size in enumerate(bottom) if axis not in axes]
        long = [size for size in rest if size != 1]
        if len(long) > 1:
            raise NetworkError(f"needs one axis of steps, got a bottom of shape {bottom}")
        return bottom[axes[0]], long[0] if long else 1


@caffe_layer("CTCDecoder")
@dataclass(frozen=True, kw_only=True)
class CTCDecoder(Decoder):
    """`CTCParameter`; `nct_axis` are the axes of images and labels without indicators."""

    restriction: ClassVar[str] = "no beam search"
    message: ClassVar[str | None] = "ctc_param"
    without_effect: ClassVar[frozenset[str]] = frozenset({"already_softmax", "beam_width"})
    bottom_count: ClassVar[tuple[int, int | None]] = (1, 2)

    nct_axis: tuple[int, ...] = ()
    decode: str = "BEST_PATH"

    def __post_init__(self) -> None:
        if len(self.nct_axis) not in (0, 2) or len(set(self.nct_axis)) == 1:
            raise NetworkError(f"nct_axis: {self.nct_axis} must name two axes, or none")

    def axes(self, bottoms: Shapes) -> Axes:
        if len(bottoms) == 2:
            if self.nct_axis:
                raise NetworkError("nct_axis needs a single bottom: indicators fix the axes")
            return super().axes(bottoms)
        expect_rank(bottoms[0], 3, 4)
        images, labels = self.nct_axis or (0, 1)
        if max(images, labels) >= len(bottoms[0]):
            raise NetworkError(f"nct_axis: {self.nct_axis} is outside {bottoms[0]}")
        return images, labels

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        return ((*self.sizes(bottoms), 1, 1),)


@caffe_layer("CTCGreedyDecoder", dialect="openvino")
@dataclass(frozen=True, kw_only=True)
class CTCGreedyDecoder(Decoder):
    """`CTCDecoderParameter`: the second top is minus the sum of the likeliest labels' scores."""

    message: ClassVar[str | None] = "ctc_decoder_param"
    bottom_count: ClassVar[tuple[int, int | None]] = (2, 2)
    top_count: ClassVar[tuple[int, int | None]] = (1, 2)
    steps_first: ClassVar[bool] = False

    ctc_merge_repeated: bool = True

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        images, steps = self.sizes(bottoms)
        order: Shape = (steps, images) if self.steps_first else (images, steps)
        return ((*order, 1, 1), (images, 1, 1, 1))


@caffe_layer("CTCGreedyDecoder", dialect="chwick")
@dataclass(frozen=True, kw_only=True)
class CTCGreedyDecoderByStep(CTCGreedyDecoder):
    """As OpenVINO's, with the axis of steps first."""

    steps_first: ClassVar[bool] = True
