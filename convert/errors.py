"""Every way a Caffe file or network can be wrong, under one root."""

from __future__ import annotations


class CaffeError(Exception):
    """Root of every error that a bad file or an unsupported network gives."""


class PrototxtError(CaffeError):
    """The text of a prototxt cannot be read, or says something Caffe refuses."""


class NetworkError(CaffeError):
    """The layers do not make a network: shapes, blobs or parameters do not fit."""


class WeightsError(CaffeError):
    """A weights file is damaged, is something else, or belongs to another network."""


class UnsupportedLayerError(NetworkError):
    """A layer type, or one of its settings, that keras-fcn cannot build."""


class CaffeWarning(UserWarning):
    """Something in a file that is probably not meant, such as NaN weights."""
