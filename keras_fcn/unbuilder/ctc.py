"""CTC decoders."""

from __future__ import annotations

from typing import Any

from keras_fcn import layers
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import LayerParams, ctc
from keras_fcn.unbuilder.inputs import input_shapes
from keras_fcn.unbuilder.registry import unbuilds

_WITH_INDICATORS = (1, 2)  # axes of images and labels


@unbuilds(layers.CTCDecoder)
def ctc_decoder(layer: Any) -> LayerParams:
    """CTCGreedyDecoder with indicators, else CTCDecoder, whose axes are free."""
    axes = tuple(layer.axes)
    blank = {"blank_index": layer.blank_index}
    if len(input_shapes(layer)) > 1 and layer.collapse:
        if axes != _WITH_INDICATORS:
            raise UnsupportedLayerError(f"axes: {axes}: with indicators they are (1, 2) in Caffe")
        kind = ctc.CTCGreedyDecoderByStep if layer.steps_first else ctc.CTCGreedyDecoder
        return kind(ctc_merge_repeated=layer.merge_repeated, **blank)
    if not layer.merge_repeated or layer.steps_first:
        raise UnsupportedLayerError(
            f"merge_repeated: {layer.merge_repeated}, steps_first: {layer.steps_first}: Caffe's "
            "CTCDecoder merges, and has the images first"
        )
    decode = "BEST_PATH" if layer.collapse else "IN_PLACE"
    axes = () if len(input_shapes(layer)) > 1 else axes
    return ctc.CTCDecoder(nct_axis=axes, decode=decode, **blank)
