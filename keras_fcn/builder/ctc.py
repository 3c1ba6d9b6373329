"""CTCDecoder and CTCGreedyDecoder."""

from __future__ import annotations

from typing import Any

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import ctc
from keras_fcn.caffe.net.network import Layer


@builds(ctc.CTCDecoder)
def ctc_decoder(layer: Layer[ctc.CTCDecoder], *tensors: Any) -> Any:
    """`CTCDecoder`: the likeliest label of each step."""
    params = layer.params
    if params.decode == "BEAM_SEARCH":
        raise UnsupportedLayerError("decode: BEAM_SEARCH is not built, only BEST_PATH and IN_PLACE")
    labels, _ = _decoder(layer, tensors, collapse=params.decode == "BEST_PATH")
    return labels


@builds(ctc.CTCGreedyDecoder, ctc.CTCGreedyDecoderByStep)
def ctc_greedy_decoder(layer: Layer[ctc.CTCGreedyDecoder], *tensors: Any) -> Any:
    """`CTCDecoder`: the likeliest label of each step, and minus their scores' sum."""
    params = layer.params
    tops = _decoder(
        layer, tensors, merge_repeated=params.ctc_merge_repeated, steps_first=params.steps_first
    )
    return tuple(tops[: len(layer.tops)])


def _decoder(layer: Layer[ctc.Decoder], tensors: tuple[Any, ...], **settings: Any) -> Any:
    params = layer.params
    axes = params.axes(tuple(blob.shape or () for blob in layer.bottoms))
    own = layers.CTCDecoder(params.blank_index, axes=axes, name=layer.keras_name, **settings)
    return own(list(tensors) if len(tensors) > 1 else tensors[0])
