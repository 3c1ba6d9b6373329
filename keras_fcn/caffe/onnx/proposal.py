"""Boxes around the positions of a map, moved by what a network says: Proposal and CTPN's."""

from __future__ import annotations

from collections.abc import Sequence

from keras_fcn.caffe.layers.proposal import Anchor, Proposal, ProposalLayer, ProposalParams
from keras_fcn.caffe.layers.text_proposal import TextProposalLayer
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.onnx.detections import suppressed
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.places import grid, length
from keras_fcn.caffe.onnx.registry import to_onnx

_LOWEST = -3.4028234663852886e38
"""Below every score but that of boxes that are dropped."""


@to_onnx(Proposal, ProposalLayer)
def proposal(
    layer: Layer[Proposal | ProposalLayer], graph: LayerGraph, scores: str, deltas: str, image: str
) -> tuple[str, ...]:
    """The best boxes, as many as the data give; those that are too small last, or not at all."""
    params = layer.params
    image = graph.reshape(image, -1)
    low, high = _proposed(layer, graph, params.anchors, deltas, image)
    scores = _foreground(graph, scores, len(params.anchors))
    scores = _without_small(graph, params, scores, low, high, image)
    count = graph.sizes(scores)
    if params.pre_nms_topn > 0:
        count = graph.add("Min", count, graph.ints([params.pre_nms_topn]))
    scores, order = graph.add_several(2, "TopK", scores, count, axis=0)
    boxes = graph.add("Gather", graph.add("Concat", low, high, axis=1), order)
    low, high = graph.add_several(2, "Split", boxes, axis=1)
    squares = graph.add("Concat", low, graph.scaled(high, shift=1), axis=1)  # pixels are
    chosen = suppressed(
        graph,
        graph.unsqueeze(squares, 0),
        graph.unsqueeze(scores, 0, 1),
        params.nms_thresh,
        _LOWEST if params.drop_small else None,
        *((params.post_nms_topn,) if params.post_nms_topn > 0 else ()),
    )
    chosen = graph.reshape(graph.cut(chosen, 1, 2), -1)
    regions = graph.pad(graph.add("Gather", boxes, chosen), [0, 1], [0, 0])
    scores = graph.add("Gather", scores, chosen)
    tops = regions, graph.unsqueeze(scores, *range(1, params.score_axes))
    return tops[: len(layer.tops)]


def _foreground(graph: LayerGraph, scores: str, anchors: int) -> str:
    """Scores of all boxes, without those of the background: a list."""
    scores = graph.add("Transpose", graph.cut(scores, 1, anchors), perm=[0, 2, 3, 1])
    return graph.reshape(scores, -1)


def _placed(
    layer: Layer, graph: LayerGraph, anchors: Sequence[Anchor], stride: int, x: str
) -> tuple[str, str]:
    """The upper left and lower right corners of the anchors of all positions of a map."""
    shape = layer.bottoms[1].shape or ()
    cells = grid(graph, length(graph, x, shape, 2), length(graph, x, shape, 3))
    shift = graph.unsqueeze(graph.scaled(cells, stride), 1)
    corners = ([anchor[:2] for anchor in anchors], [anchor[2:] for anchor in anchors])
    low, high = (
        graph.reshape(graph.add("Add", shift, graph.floats(corner)), -1, 2) for corner in corners
    )
    return low, high


def _proposed(
    layer: Layer[ProposalParams],
    graph: LayerGraph,
    anchors: Sequence[Anchor],
    deltas: str,
    image: str,
) -> tuple[str, str]:
    """Corners (boxes, 2) of the anchors, moved and cut at the image's border."""
    first, last = _placed(layer, graph, anchors, layer.params.feat_stride, deltas)
    deltas = graph.reshape(graph.add("Transpose", deltas, perm=[0, 2, 3, 1]), -1, 4)
    move, stretch = graph.add_several(2, "Split", deltas, axis=1)
    size = graph.scaled(graph.add("Sub", last, first), shift=1)
    middle = graph.add("Add", first, graph.scaled(size, 0.5))
    middle = graph.add("Add", graph.add("Mul", move, size), middle)
    half = graph.scaled(graph.add("Mul", graph.add("Exp", stretch), size), 0.5)
    border = _border(graph, image)
    low, high = (
        graph.add("Min", graph.add("Max", edge, graph.floats(0)), border)
        for edge in (graph.add("Sub", middle, half), graph.add("Add", middle, half))
    )
    return low, high


def _border(graph: LayerGraph, image: str) -> str:
    """The last column and row of an image."""
    return graph.scaled(graph.add("Gather", image, graph.ints([1, 0])), shift=-1)


def _without_small(
    graph: LayerGraph, params: ProposalParams, scores: str, low: str, high: str, image: str
) -> str:
    """Scores, those of boxes that are too small set back."""
    scale = graph.cut(image, 0, 2, 3)  # of height; that of width is the fourth number, if any
    if not params.drop_small:
        scale = graph.add("Concat", graph.cut(graph.cut(image, 0, 2, 4), 0, -1), scale, axis=0)
    size = graph.scaled(graph.add("Sub", high, low), shift=1)
    large = graph.add("GreaterOrEqual", size, graph.scaled(scale, params.min_size))
    worst = graph.add("ReduceMin", graph.as_floats(large), axes=[1], keepdims=0)
    least = float("-inf") if params.drop_small else 0.0
    return graph.add("Where", graph.add("Cast", worst, to=9), scores, graph.floats(least))


@to_onnx(TextProposalLayer)
def text_proposal(
    layer: Layer[TextProposalLayer], graph: LayerGraph, scores: str, deltas: str, image: str
) -> tuple[str, ...]:
    """All boxes, moved and stretched in height only, and their scores."""
    params = layer.params
    low, high = _placed(layer, graph, params.anchors, params.feat_stride, deltas)
    left, y1 = graph.add_several(2, "Split", low, axis=1)
    right, y2 = graph.add_several(2, "Split", high, axis=1)
    deltas = graph.reshape(graph.add("Transpose", deltas, perm=[0, 2, 3, 1]), -1, 2)
    move, stretch = graph.add_several(2, "Split", deltas, axis=1)
    height = graph.scaled(graph.add("Sub", y2, y1), shift=1)
    stretched = graph.add("Mul", graph.add("Exp", stretch), height)
    middle = graph.scaled(graph.add("Add", y1, y2), 0.5)
    top = graph.add("Add", graph.add("Mul", move, height), middle)
    top = graph.add("Sub", top, graph.scaled(stretched, 0.5))
    boxes = graph.add("Concat", left, top, right, graph.add("Add", top, stretched), axis=1)
    border = graph.add("Tile", _border(graph, graph.reshape(image, -1)), graph.ints([2]))
    boxes = graph.add("Min", graph.add("Max", boxes, graph.floats(0)), border)
    return boxes, graph.unsqueeze(_foreground(graph, scores, len(params.anchors)), 1)
