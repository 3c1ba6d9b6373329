"""Layers that are one layer in Caffe too: its typed parameters tell all."""

from __future__ import annotations

from typing import Any

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import LayerParams
from keras_fcn.caffe.layers.elementwise import Elementwise
from keras_fcn.caffe.layers.loss import Loss
from keras_fcn.to_caffe.draft import Blob, Draft, array
from keras_fcn.unbuilder.registry import params_of, reason


def unbuilt(layer: Any, draft: Draft, *bottoms: Blob) -> Any:
    """The Caffe layer that a Keras layer is, with its weights.

    Raises:
        UnsupportedLayerError: it is not a single one.
    """
    return placed(layer, single(layer), draft, *bottoms)


def single(layer: Any) -> LayerParams:
    """The parameters of the Caffe layer that a Keras layer is.

    Raises:
        UnsupportedLayerError: it is not a single one.
    """
    params = params_of(layer)
    if params is None:
        raise UnsupportedLayerError(reason(layer) or "these settings have no equivalent in Caffe")
    return params


def placed(layer: Any, params: LayerParams, draft: Draft, *bottoms: Blob) -> Any:
    """A layer of these parameters, with the weights of a Keras layer and its name.

    What Caffe's kind does not read, a reference for sizes say, is left out.
    """
    bottoms = bottoms[: params.bottom_count[1]]
    if isinstance(params, Elementwise):
        return draft.each(params, layer.name, *bottoms)
    tops = min(_outputs(layer), params.top_count[1] or _outputs(layer))
    options: dict[str, Any] = {"weights": [array(weight) for weight in layer.weights]}
    if isinstance(params, Loss) and tops > 1:  # Caffe wants a weight for each top of a loss
        options["loss_weight"] = [1.0, *[0.0] * (tops - 1)]
    judges = getattr(layer, "judges", None)
    if judges is not None and tuple(judges) != (True, True):
        options["propagate_down"] = [*judges, *[False] * (len(bottoms) - len(judges))]
    return draft.add(params, layer.name, *bottoms, tops=tops, **options)[:tops]


def _outputs(layer: Any) -> int:
    """Number of a layer's outputs; one that a `Tied` runs is not called by itself."""
    nodes = layer._inbound_nodes
    return len(nodes[0].output_tensors) if nodes else 1
