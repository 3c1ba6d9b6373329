"""BatchReindex, Filter and Embed."""

from __future__ import annotations

from typing import Any

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.layers.selection import BatchReindex, Embed, Filter
from keras_fcn.caffe.net.network import Layer


@builds(BatchReindex)
def batch_reindex(layer: Layer, x: Any, indices: Any) -> Any:
    """Picks images of a batch by index."""
    return layers.BatchReindex(name=layer.keras_name)([x, indices])


@builds(Filter)
def filter_(layer: Layer, *tensors: Any) -> Any:
    """Keeps some images of a batch; how many is known when the model runs."""
    return tuple(layers.Filter(name=layer.keras_name)(list(tensors)))


@builds(Embed)
def embed(layer: Layer[Embed], x: Any) -> Any:
    """An Embedding of float indices, with a bias."""
    params = layer.params
    return layers.Embed(
        params.input_dim,
        params.num_output,
        use_bias=params.bias_term,
        embeddings_initializer="zeros",
        bias_initializer="zeros",
        name=layer.keras_name,
    )(x)
