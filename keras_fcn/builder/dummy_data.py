"""DummyData."""

from __future__ import annotations

import dataclasses
from typing import Any

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.layers.dummy_data import DummyData
from keras_fcn.caffe.net.network import Layer
from keras_fcn.layers._axes import channels_last_shape


@builds(DummyData)
def dummy_data(layer: Layer[DummyData], anchor: Any) -> Any:
    """Constants, or random numbers anew at each pass.

    A first size that repeats the batch of the network's first input follows it.
    """
    params = layer.params
    batch = (layer.bottoms[0].shape or (None,))[0]
    shapes = [_any_batch(top.shape or (), batch) for top in layer.tops]
    fillers = [dataclasses.asdict(filler) for filler in params.top_fillers(len(shapes))]
    return tuple(layers.DummyData(shapes, fillers, name=layer.keras_name)(anchor))


def _any_batch(shape: Shape, batch: int | None) -> Shape:
    """Channels-last, with None for a first size that is the batch."""
    follows = batch is not None and shape[:1] == (batch,)
    return channels_last_shape((None, *shape[1:]) if follows else shape)
