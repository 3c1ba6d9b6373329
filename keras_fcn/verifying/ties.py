"""Ties: entries between which rounding, or the order of a search, decided."""

from __future__ import annotations

import numpy as np

from keras_fcn.caffe.layers.pooling import Pooling
from keras_fcn.caffe.layers.reduction import ArgMax
from keras_fcn.caffe.net.layer import Blob, Layer
from keras_fcn.engines.differences import SAME
from keras_fcn.verifying.report import Array


def holds_places(layer: Layer, index: int) -> bool:
    """Whether a top says where something was found: a pooling's mask, or an ArgMax."""
    if isinstance(layer.params, ArgMax):
        return not layer.params.out_max_val
    return isinstance(layer.params, Pooling) and index == 1


def are_ties(layer: Layer, blob: Blob, bottom: Array, ours: Array, theirs: Array) -> bool:
    """Whether the elements that two such tops point to are equal but for rounding.

    Args:
        layer: the layer that made them.
        blob: its top.
        bottom: what it read, in the reference.
        ours: our top.
        theirs: the reference's.
    """
    if not holds_places(layer, blob.index):
        return False
    found = [_pointed(layer, bottom, top) for top in (ours, theirs)]
    if found[0] is None or found[1] is None:
        return False
    scale = float(np.abs(bottom[np.isfinite(bottom)]).max(initial=0)) or 1.0
    with np.errstate(invalid="ignore"):  # the same infinity
        near = np.abs(found[0] - found[1]) <= SAME * scale
    return bool(np.all(near | (found[0] == found[1])))


def _pointed(layer: Layer, bottom: Array, top: Array) -> Array | None:
    """The elements of the bottom that a top points to; None where it points outside."""
    params = layer.params
    if isinstance(params, ArgMax) and params.axis is not None:
        axis, values = params.axis % bottom.ndim, bottom
        places = top
    else:
        kept = 2 if isinstance(params, Pooling) else 1
        values = bottom.reshape(*bottom.shape[:kept], -1)
        places, axis = top.reshape(*top.shape[:kept], -1), kept
    whole = np.nan_to_num(places, nan=-1).astype(np.int64)
    if whole.min(initial=0) < 0 or whole.max(initial=0) >= values.shape[axis]:
        return None
    return np.take_along_axis(values, whole, axis)
