"""Write a network for ncnn, and run it there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.ncnn import NcnnNet, ncnn_net
from keras_fcn.caffe.ncnn.running import NcnnSession, opened
from keras_fcn.caffe.net.fillers import fill_blobs
from keras_fcn.caffe.net.fitting import fit_weights
from keras_fcn.caffe.net.network import Network


def written(
    network: Network, weights: Mapping[str, Sequence[np.ndarray]] | None = None, **how: Any
) -> NcnnNet:
    """A network's ncnn form; what has no weights is filled as Caffe does."""
    fitted = fit_weights(network, weights) if weights else {}
    return ncnn_net(network, fill_blobs(network, 0, fitted) | fitted, **how)


def session(net: NcnnNet) -> NcnnSession:
    return opened(net, threads=1)


def run(net: NcnnNet, fed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return session(net).run(fed)


def why_not(
    network: Network, weights: Mapping[str, Sequence[np.ndarray]] | None = None
) -> str | None:
    """Why a network is not written; None: it is."""
    try:
        written(network, weights)
    except UnsupportedLayerError as error:
        return str(error)
    return None
