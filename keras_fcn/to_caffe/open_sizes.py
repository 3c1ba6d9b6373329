"""Keras models as Caffe networks whose images have any size, where the model's have."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping, Sequence

import keras

from keras_fcn.caffe.errors import CaffeWarning
from keras_fcn.caffe.nodes.graph import NeedsSizes
from keras_fcn.caffe.surgery.net import TrainedNet
from keras_fcn.core.card import card_of
from keras_fcn.core.definition import defined_network
from keras_fcn.graph.sizes import fitting_size
from keras_fcn.layers._axes import channels_first_shape
from keras_fcn.to_caffe import to_caffe

__all__ = ["open_net", "whole_shapes"]

_ANY_SIZE = (224, 224)
_OTHER_SIZES = ((225, 227), (226, 231), (239, 245), (253, 238))
"""Sizes at which a network that takes any is looked at, of various rests to its strides."""


def open_net(
    model: keras.Model, input_shapes: Mapping[str, Sequence[int | None]] | None = None
) -> tuple[TrainedNet, dict[str, tuple[int | None, ...]]]:
    """A model as a Caffe network that holds for all sizes that the model takes.

    Args:
        model: see `keras_fcn.to_caffe`.
        input_shapes: input -> sizes that are not free, in Caffe's axis order.

    Returns:
        The network, and each input blob's shape in Caffe's axis order; None where a size is
        free.

    Raises:
        NeedsSizes: for images of another size a layer says something else.
        UnsupportedLayerError: a layer has no Caffe form.
    """
    given = input_shapes or {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CaffeWarning)  # no matter which Caffe runs it
        defined = defined_network(model) is not None  # and declares a size itself
        sizes = {} if defined and not given else _sizes(model, given)
        net = to_caffe(model, sizes, rounds_down=True)
        shapes = _shapes(model, given)
        if any(None in shape[1:] for shape in shapes.values()):
            _require_any_size(model, net)
    return net, shapes


def _shapes(
    model: keras.Model, given: Mapping[str, Sequence[int | None]]
) -> dict[str, tuple[int | None, ...]]:
    """Each input blob's shape in Caffe's axis order; None where a size is free."""
    blobs = card_of(model).inputs
    shapes: dict[str, tuple[int | None, ...]] = {}
    for tensor in model.inputs:
        shape = channels_first_shape(tensor.shape)
        told = tuple(given.get(tensor.name, ()))
        shapes[blobs.get(tensor.name, tensor.name)] = (*shape[: len(shape) - len(told)], *told)
    return shapes


def _require_any_size(model: keras.Model, net: TrainedNet) -> None:
    """Refuse a network whose layers say the sizes of images.

    Raises:
        NeedsSizes: for images of another size a layer says something else.
    """
    if defined_network(model) is not None:
        return
    for size in _OTHER_SIZES:
        other = to_caffe(model, _sizes(model, {}, size), rounds_down=True)
        pairs = itertools.zip_longest(net.network.layers, other.network.layers)
        for one, two in pairs:
            if one is None or two is None or (one.params != two.params and not one.is_source):
                place = net.network.path if one is None else one.place
                raise NeedsSizes(f"{place}: depends on the size of images")


def _sizes(
    model: keras.Model,
    given: Mapping[str, Sequence[int | None]],
    default: tuple[int, int] = _ANY_SIZE,
) -> dict[str, tuple[int, ...]]:
    """A whole shape, in Caffe's axis order, of each input of which sizes are open or given."""
    sizes: dict[str, tuple[int, ...]] = {}
    for tensor in model.inputs:
        shape = channels_first_shape((1, *tensor.shape[1:])) if tensor.shape else ()
        told = [size for size in given.get(tensor.name, ()) if size is not None]
        if told and len(told) == len(given[tensor.name]):
            sizes[tensor.name] = (*shape[: len(shape) - len(told)], *told)
        elif None in shape:
            image = len(shape) == 4
            found = fitting_size(model, default) if image else default[:1] * (len(shape) - 2)
            wanted = (1, 1, *found)
            sizes[tensor.name] = tuple(
                most if size is None else size for size, most in zip(shape, wanted, strict=True)
            )
    return sizes


def whole_shapes(
    model: keras.Model, given: Mapping[str, Sequence[int | None]]
) -> dict[str, tuple[int, ...]]:
    """A shape of one image, in Caffe's axis order, that each input takes.

    Args:
        model: the model.
        given: input -> the last of its sizes, where they are told.
    """
    known = _sizes(model, given)
    shapes = {x.name: channels_first_shape((1, *x.shape[1:])) for x in model.inputs if x.shape}
    return {x.name: known.get(x.name, shapes.get(x.name, (1,))) for x in model.inputs}
