"""The matrix of an InfogainLoss."""

from __future__ import annotations

from pathlib import Path

from keras_fcn.caffe.blobs.binaryproto import read_binaryproto
from keras_fcn.caffe.layers.base import Array
from keras_fcn.caffe.layers.softmax_loss import InfogainLoss
from keras_fcn.caffe.net.layer import Layer


def infogain_matrix(layer: Layer[InfogainLoss]) -> Array:
    """H from a binaryproto file: as in Caffe from the working folder, else beside the net."""
    source = layer.params.source or ""
    here, beside = Path(source), Path(layer.path).parent / source
    blob = read_binaryproto(here if here.exists() or not beside.exists() else beside)
    layer.params.expect_matrix(layer.bottoms[0].shape or (), blob.shape)
    side = round(blob.size**0.5)
    return blob.reshape(side, side)
