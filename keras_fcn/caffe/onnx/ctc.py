"""CTCDecoder and CTCGreedyDecoder: the likeliest label of each step."""

from __future__ import annotations

from collections.abc import Sequence

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import ctc
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.registry import to_onnx


@to_onnx(ctc.CTCDecoder)
def ctc_decoder(layer: Layer[ctc.CTCDecoder], graph: LayerGraph, *bottoms: str) -> str:
    """Labels, collapsed or one a step; no beam search."""
    decode = layer.params.decode
    if decode not in ("BEST_PATH", "IN_PLACE"):
        raise UnsupportedLayerError(f"decode: {decode} is not written as ONNX")
    scores = _by_image(layer, graph, bottoms[0])
    best = graph.add("ArgMax", scores, axis=2, keepdims=0)
    lasts = _lasting(graph, bottoms[1:])
    kept = lasts
    if decode == "BEST_PATH":
        kept = _collapsed(layer.params, graph, scores, best, lasts)
    return graph.unsqueeze(_in_front(graph, best, kept), 2, 3)


@to_onnx(ctc.CTCGreedyDecoder, ctc.CTCGreedyDecoderByStep)
def ctc_greedy_decoder(
    layer: Layer[ctc.CTCGreedyDecoder], graph: LayerGraph, *bottoms: str
) -> tuple[str, ...]:
    """Labels, and minus the sum of their scores."""
    params = layer.params
    scores = _by_image(layer, graph, bottoms[0])
    best = graph.add("ArgMax", scores, axis=2, keepdims=0)
    lasts = _lasting(graph, bottoms[1:])
    kept = _collapsed(params, graph, scores, best, lasts, merge=params.ctc_merge_repeated)
    labels = _in_front(graph, best, kept)
    if params.steps_first:
        labels = graph.add("Transpose", labels, perm=[1, 0])
    highest = graph.add("ReduceMax", scores, axes=[2], keepdims=0)
    if lasts is not None:
        highest = graph.add("Where", lasts, highest, graph.floats(0.0))
    sums = graph.add("Neg", graph.add("ReduceSum", highest, graph.ints([1]), keepdims=1))
    return (graph.unsqueeze(labels, 2, 3), graph.unsqueeze(sums, 2, 3))[: len(layer.tops)]


def _by_image(layer: Layer[ctc.Decoder], graph: LayerGraph, x: str) -> str:
    """Scores as (images, steps, labels)."""
    shapes = tuple(blob.shape or () for blob in layer.bottoms)
    images, labels = layer.params.axes(shapes)
    steps = [axis for axis in range(len(shapes[0])) if axis not in (images, labels)]
    turned = graph.add("Transpose", x, perm=[images, *steps, labels])
    if len(steps) == 1:
        return turned
    rank = len(shapes[0])
    ends = graph.sizes(turned, 0, 1), graph.ints([-1]), graph.sizes(turned, rank - 1, rank)
    return graph.add("Reshape", turned, graph.add("Concat", *ends, axis=0))


def _lasting(graph: LayerGraph, indicators: Sequence[str]) -> str | None:
    """Whether a sequence has not ended, (images, steps); it does not in the very first step."""
    if not indicators:
        return None
    ends = graph.add("Equal", indicators[0], graph.floats(0.0))
    later = graph.cut(graph.add("Cast", ends, to=7), 0, 1)
    first = graph.add("Pad", later, graph.ints([1, 0, 0, 0]), graph.ints(0))
    ended = graph.add("CumSum", first, graph.ints(0))
    lasts = graph.add("Equal", ended, graph.ints(0))
    return graph.add("Transpose", lasts, perm=[1, 0])


def _collapsed(
    params: ctc.Decoder,
    graph: LayerGraph,
    scores: str,
    best: str,
    lasts: str | None,
    *,
    merge: bool = True,
) -> str:
    """Whether a step's label stays: no blank, and no repeat if those are merged."""
    blank = graph.ints(params.blank_index)
    if params.blank_index < 0:
        blank = graph.add("Add", graph.size(scores, 2), blank)
    lost = graph.add("Equal", best, blank)
    if merge:
        before = graph.cut(best, 1, 0, -1)
        before = graph.add("Pad", before, graph.ints([0, 1, 0, 0]), graph.ints(-1))
        lost = graph.add("Or", lost, graph.add("Equal", best, before))
    kept = graph.add("Not", lost)
    return kept if lasts is None else graph.add("And", kept, lasts)


def _in_front(graph: LayerGraph, best: str, kept: str | None) -> str:
    """Labels that stay, then -1, as floats; the others go to a place behind, which is cut off."""
    labels = graph.as_floats(best)
    if kept is None:
        return labels
    length = graph.size(best, 1)
    places = graph.add("CumSum", graph.add("Cast", kept, to=7), graph.ints(1))
    places = graph.add("Where", kept, graph.shifted(places, -1), length)
    sizes = graph.add("Add", graph.add("Shape", best), graph.ints([0, 1]))
    none = graph.add("Expand", graph.floats(-1.0), sizes)
    return graph.cut(graph.add("ScatterElements", none, places, labels, axis=1), 1, 0, -1)
