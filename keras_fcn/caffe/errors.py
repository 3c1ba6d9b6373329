"""Every way a Caffe file or network can be wrong, under one root."""

from __future__ import annotations

_LONGEST = 5000


class CaffeError(Exception):
    """Root of every error that a bad file or an unsupported network gives.

    Files put names and values into messages; a message that is no longer one to read
    loses its middle.
    """

    def __init__(self, message: str) -> None:
        if len(message) > _LONGEST:
            half = _LONGEST // 2
            message = (
                f"{message[:half]} ... ({len(message) - 2 * half} characters left out) ... "
                f"{message[-half:]}"
            )
        super().__init__(message)


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
